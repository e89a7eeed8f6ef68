"""What an import does to the device models: it brings the whole catalogue.

So an edited model file comes into force with any import, whatever the imported file names. Therefore it is a row of
the plan like the others (I1).
"""

from collections.abc import Mapping, Sequence

import msgspec

from devices.models import DeviceModel
from storage.registry_rows import Fate, RowFate
from storage.text import clean_json

#: Where the row comes from: no line of the imported file.
PLACE = "catalogue"


def model_document(model: DeviceModel) -> str:
    """The model as `device_model` keeps it, examples and all."""
    return clean_json(msgspec.json.encode(model).decode())


def changed_models(stored: Mapping[str, str], models: Sequence[DeviceModel]) -> list[DeviceModel]:
    """Those that are not stored as they are. `stored`: key to document."""
    return [
        model
        for model in models
        if (before := stored.get(model.key)) is None or _differences(before, model_document(model))
    ]


def model_fates(
    stored: Mapping[str, str], changed: Sequence[DeviceModel], users: Mapping[str, int]
) -> tuple[RowFate, ...]:
    """A row for each model that differs from what is stored, and for each new one that a device has. `users`: how many
    devices of each model there will be."""
    fates: list[RowFate] = []
    for model in changed:
        before, number = stored.get(model.key), users.get(model.key, 0)
        of = f"{number} device{'' if number == 1 else 's'}"
        if before is not None:
            names = ", ".join(_differences(before, model_document(model)))
            fates.append(RowFate(PLACE, "model", model.key, Fate.CHANGED, f"{names} ({of})"))
        elif number:
            fates.append(RowFate(PLACE, "model", model.key, Fate.ADDED, of))
    return tuple(fates)


def _differences(before: str, after: str) -> list[str]:
    """Keys whose values differ, those of a table by themselves (`modbus.field`)."""
    old, new = (_flat(msgspec.json.decode(text, type=dict[str, object])) for text in (before, after))
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _flat(document: dict[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in document.items():
        flat |= {f"{name}.{part}": one for part, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat
