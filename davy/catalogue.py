"""The device models that are known here: Davy's own, and those of the folder in the settings."""

from collections.abc import Callable
from pathlib import Path

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings
from devices.models import BUILT_IN, DeviceModel, load_catalogue, load_model
from devices.native_examples import run_native_examples
from devices.register_examples import run_examples


def catalogue(settings: Settings) -> tuple[DeviceModel, ...]:
    """Raises CannotGoOn (usage) with every fault of every file. The examples of one's own files are run: what they
    show to be read wrong must not go live. (Those of Davy's own are run by its tests.)"""
    own = settings.models
    if own is not None and not own.is_dir():
        raise CannotGoOn(Exit.USAGE, f"settings: DAVY_MODELS = {own}: there is no such folder")
    try:
        models = load_catalogue(*([own] if own is not None else []))
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    if own is not None:
        brought = {path.stem for path in BUILT_IN.glob("*.toml")}
        mine = ((own / f"{model.key}.toml", model) for model in models if model.key not in brought)
        faults = [fault for path, model in mine for fault in example_faults(path, model)]
        if faults:
            raise CannotGoOn(Exit.USAGE, "\n".join(faults))
    return models


def named_model(settings: Callable[[], Settings], named: str) -> DeviceModel:
    """The model in a file (`.toml`), for which no settings are read, or the known one of a key. Raises CannotGoOn."""
    if named.endswith(".toml"):
        try:
            return load_model(Path(named))
        except OSError as missing:
            raise CannotGoOn(Exit.USAGE, f"cannot read {named}: {missing.strerror}") from missing
        except ValueError as wrong:
            raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    models = {model.key: model for model in catalogue(settings())}
    if named not in models:
        raise CannotGoOn(Exit.USAGE, f"there is no model {named!r}; `davy devices list` prints the keys")
    return models[named]


def example_faults(path: Path, model: DeviceModel) -> tuple[str, ...]:
    """Every golden example of the model in this file that does not mean what it says: file, key and reason."""
    faults = (*run_native_examples(model), *run_examples(model))
    return tuple(f"{path}: {key}: {reason}" for key, reason in faults)
