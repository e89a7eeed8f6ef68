"""The device models that are known here: Davy's own, and those of the folder in the settings."""

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings
from devices.models import DeviceModel, load_catalogue


def catalogue(settings: Settings) -> tuple[DeviceModel, ...]:
    """Raises CannotGoOn (usage) with every fault of every file."""
    if settings.models is not None and not settings.models.is_dir():
        raise CannotGoOn(Exit.USAGE, f"settings: DAVY_MODELS = {settings.models}: there is no such folder")
    try:
        return load_catalogue(*([settings.models] if settings.models is not None else []))
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
