"""Whether a device model makes sense as a whole, beyond the types of its keys. Every fault is found, with its key."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from devices.quantities import QUANTITY_NAMES
from devices.register_check import map_faults
from devices.register_check_examples import example_faults
from devices.register_check_fields import Fault

if TYPE_CHECKING:
    from devices.models import Actuator, DeviceModel

#: devices/topics.py, in lower case.
_VENDOR = re.compile(r"[a-z0-9_-]{1,64}\Z")
#: Every duration of a model is within these, in seconds. Product choice: no device is worth asking more often, an
#: interval that is less than a microsecond would be none at all, and any sum of a time and a year fits in microseconds.
LEAST_S, LONGEST_S = 0.05, 366 * 86_400.0
_WITHIN = f"from {LEAST_S:g} s to {LONGEST_S / 86_400:g} days"


def model_faults(model: "DeviceModel") -> list[Fault]:
    """(dotted key, reason) of everything that is wrong."""
    faults = [*_plain_faults(model), *_measure_faults(model), *_valve_faults(model)]
    if model.modbus is not None:
        actuator = model.actuator
        faults += map_faults(
            model.modbus,
            verb=_verb(model),
            reports_position=actuator is not None and actuator.reports_position,
        )
        faults += ((f"modbus.{key}", reason) for key, reason in example_faults(model.modbus))
    return faults


def _verb(model: "DeviceModel") -> str:
    """What a device of this model is commanded for; empty: it takes no commands."""
    if model.kind == "shut_off_valve":
        return "close"
    return "fan_on" if model.kind == "fan" and model.actuator is not None else ""


def _plain_faults(model: "DeviceModel") -> Iterator[Fault]:
    for key, text in (("vendor", model.vendor), ("name", model.name), ("source", model.source)):
        if not text.strip():
            yield key, "is empty" + ("; where the facts are from" if key == "source" else "")
    if model.vendor.strip() and not _VENDOR.match(model.vendor):
        yield "vendor", f"{model.vendor!r} must be 1 to 64 of a-z 0-9 _ -, as in the identity of its devices"
    if not LEAST_S <= model.max_age_s <= LONGEST_S:
        yield "max_age_s", f"must be positive, {_WITHIN}"
    promises_nothing = model.report_interval_s == 0 and model.kind == "gateway"
    if not promises_nothing and not LEAST_S <= model.report_interval_s <= LONGEST_S:
        yield "report_interval_s", f"must be positive, or 0 for a gateway that sends no readings of its own; {_WITHIN}"
    if model.life_days is not None and model.life_days <= 0:
        yield "life_days", "must be positive"
    if model.lel_percent_vol is not None and not 0 < model.lel_percent_vol <= 100:
        yield "lel_percent_vol", "must be above 0 and at most 100 %vol"
    if model.kind == "gateway" and model.modbus is not None:
        yield "modbus", "a gateway has no registers of its own; the devices behind it have"


def _measure_faults(model: "DeviceModel") -> Iterator[Fault]:
    for name in model.measures:
        if name not in QUANTITY_NAMES:
            yield "measures", f"{name!r} is not one of {', '.join(QUANTITY_NAMES)}"
    measured = set(model.measures)
    if model.modbus is not None:
        mapped = {field.quantity for field in model.modbus.field if field.quantity}
        if measured and measured != mapped:
            odd = ", ".join(sorted(measured ^ mapped))
            yield "measures", f"must be the quantities of modbus.field, or be left out; they differ in {odd}"
        measured = mapped
    for name, (lowest, highest) in model.ranges.items():
        if name not in QUANTITY_NAMES:
            yield f"ranges.{name}", f"is not one of {', '.join(QUANTITY_NAMES)}"
        elif measured and name not in measured:
            yield f"ranges.{name}", "is not measured"
        if not lowest < highest:
            yield f"ranges.{name}", "the lowest must be below the highest"


def _valve_faults(model: "DeviceModel") -> Iterator[Fault]:
    takes_close, fan = model.kind == "shut_off_valve", model.kind == "fan"
    if model.actuator is not None and not (takes_close or fan):
        yield "actuator", f"a {model.kind} cannot declare an actuator; a shut_off_valve takes CLOSE, a fan FAN_ON"
    if model.actuator is not None and fan and model.actuator.reachability != "connected":
        yield "actuator.reachability", "a fan is always there: only a valve on a battery sleeps"
    if model.actuator is None and takes_close:
        yield "actuator", "a shut_off_valve must declare its [actuator]"
    if model.valve is not None and not takes_close and model.kind != "self_closing_valve":
        yield "valve", f"a {model.kind} is no valve"
    if model.actuator is not None:
        yield from ((f"actuator.{key}", reason) for key, reason in _actuator_faults(model.actuator))


def _actuator_faults(actuator: "Actuator") -> Iterator[Fault]:
    for key, seconds in (
        ("confirm_within_s", actuator.confirm_within_s),
        ("attempt_expires_s", actuator.attempt_expires_s),
    ):
        if not LEAST_S <= seconds <= LONGEST_S:
            yield key, f"must be positive, {_WITHIN}"
    if actuator.reachability == "connected":
        if actuator.wake_interval_s:
            yield "wake_interval_s", 'is only for reachability = "wakes"'
    elif not LEAST_S <= actuator.wake_interval_s <= LONGEST_S:
        yield "wake_interval_s", f"must be positive, {_WITHIN}: a valve that wakes does so at least this often"
    elif actuator.confirm_within_s < actuator.wake_interval_s:
        yield "confirm_within_s", "must not be less than wake_interval_s: before that the valve may not have heard"
