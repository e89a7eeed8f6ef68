"""Rows of others as a grant shows them: the fields that it names, and nothing else. Pure."""

from pydantic import JsonValue

from api.reading_shapes import show_reading
from api.times import rfc3339
from devices.quantities import QUANTITY_NAMES
from engine.messages import AlarmView
from storage.devices import RegisteredDevice
from storage.readings import Reading

Row = dict[str, JsonValue]


def alarm_row(one: AlarmView, names: tuple[str, ...]) -> Row:
    """An alarm as it stands. A comment is of a step: it is in the feed of changes."""
    known: Row = {
        "alarm": one.alarm,
        "rule": one.rule,
        "priority": one.priority.name.lower(),
        "state": one.state.name.lower(),
        "site": one.site,
        "device": one.identity,
        "area": one.owner.area,
        "onset": rfc3339(one.onset),
        "raised": rfc3339(one.raised),
        "quantity": one.quantity or None,
        "value": one.value,
        "by": one.acknowledged_by,
        "resolution": one.resolution,
    }
    return {name: known[name] for name in names if name in known}


def device_row(one: RegisteredDevice, names: tuple[str, ...]) -> Row:
    known: Row = {
        "device": one.identity,
        "model": one.model,
        "kind": one.kind.value,
        "site": one.site,
        "area": one.area,
        "building": one.building,
        "installed": one.installed or None,
        "calibration_due": one.calibration_due or None,
        "made": one.facts.made or None,
        "life_end": one.facts.life_end or None,
    }
    return {name: known[name] for name in names}


def reading_row(one: Reading, names: tuple[str, ...]) -> Row:
    """Of a quantity that is not named, not even its quality."""
    known: Row = show_reading(one).model_dump(mode="json")
    quality = known["quality"]
    assert isinstance(quality, dict)
    known["quality"] = {name: word for name, word in quality.items() if name in names and name in QUANTITY_NAMES}
    return {name: known[name] for name in names}
