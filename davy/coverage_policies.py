"""The policies of coverage that this installation knows: those that Davy brings, and those of the folder in the
settings."""

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings
from devices.coverage_policy import Policy, load_policies


def policies(settings: Settings) -> dict[str, Policy]:
    """By key. Raises CannotGoOn naming every fault of every file."""
    folders = (settings.coverage_policies,) if settings.coverage_policies is not None else ()
    try:
        return load_policies(*folders)
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"policies of coverage: {wrong}") from wrong
