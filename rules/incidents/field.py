"""What is measured on site: a reading at the limit of the rule of kind `field` is an alarm and opens the four steps.

F1  The alarm stands at the incident's first device while what was measured last, of the rule's quantity, is at or above
    the limit at any place. It ends by measuring less there, not by time and not by closing the incident.
F2  Each time it is raised, or comes again, all four steps are to be done: evacuate, cordon, close upstream, vent.
    Source: seed 003, 9.2.3. Davy asks for them; people do them and say so.
F3  Without such a rule a reading is kept and told, and nothing follows. Where no device of the incident is there any
    more, no alarm can stand, and the steps are to be done all the same.
"""

import math

import msgspec
import numpy as np

from devices.quantities import QUANTITIES, QUANTITY_NAMES
from rules.decisions import IncidentChange
from rules.incidents import marks as incident_marks
from rules.incidents.life import family, root, tell
from rules.incidents.words import too_long
from rules.instructions import FieldReading, FieldStep
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.standing import FieldMark, Incident
from rules.stepping.state import State


def reading(state: State, out: Out, incident: Incident, said: FieldReading) -> str:
    """Keep and tell a reading, and what follows. Returns why not, or empty."""
    place = said.place.strip()
    mark = FieldMark(said.at, IncidentChange.FIELD_READING, said.by, place, said.quantity, said.value)
    refused = _impossible(said) or too_long(place) or incident_marks.said_already(incident, mark)
    if refused:
        return refused
    incident = incident_marks.keep(state, incident, mark)
    tell(
        out,
        incident,
        IncidentChange.FIELD_READING,
        said.at,
        by=said.by,
        comment=place,
        quantity=said.quantity,
        value=said.value,
    )
    slot = _where(state, incident)
    if slot >= 0 and slot != incident.slot:
        incident = state.incidents[incident.incident] = msgspec.structs.replace(incident, slot=slot)
    rule = _looking(state, slot, said.quantity)
    if rule >= 0:
        _judge(state, out, incident, slot, rule, said)
    elif slot < 0:
        _judge_without_a_device(state, out, incident, said)
    return ""


def _impossible(said: FieldReading) -> str:
    if said.quantity not in QUANTITY_NAMES:
        return f"{said.quantity!r} is not one of {', '.join(QUANTITY_NAMES)}"
    quantity = QUANTITIES[QUANTITY_NAMES.index(said.quantity)]
    if not (math.isfinite(said.value) and quantity.lowest <= said.value <= quantity.highest):
        return f"{said.quantity} is {quantity.lowest:g} to {quantity.highest:g} {quantity.unit}, not {said.value:g}"
    return ""


def _judge(state: State, out: Out, incident: Incident, slot: int, rule: int, said: FieldReading) -> None:
    limit = state.compiled.limit[state.compiled.class_of[slot], rule]
    if not _reached(said.value, limit):
        if not _stands(state, incident, said.quantity, limit):
            alarms.return_alarm(state, out, slot, rule, at=said.at, comment="less is measured now")
        return
    note = f"{said.value:g} measured at {said.place.strip()}" if said.place.strip() else f"{said.value:g} measured"
    raised = alarms.raise_alarm(state, out, slot, rule, onset=said.at, at=said.at, value=said.value, note=note)
    if raised is None:
        alarms.say(state, out, slot, rule, note, at=said.at)
    else:
        _open_steps(state, out, incident, said)


def _judge_without_a_device(state: State, out: Out, incident: Incident, said: FieldReading) -> None:
    """By the rule's own limit; the steps are opened anew when none of them is left to be done."""
    rule = state.compiled.field
    spec = state.compiled.rules[rule] if rule >= 0 else None
    if spec is None or spec.quantity != said.quantity or spec.at_or_above is None:
        return
    if _reached(said.value, np.float32(spec.at_or_above)) and not state.incidents[incident.incident].steps:
        _open_steps(state, out, incident, said)


def _open_steps(state: State, out: Out, incident: Incident, said: FieldReading) -> None:
    steps = tuple(FieldStep)
    incident = msgspec.structs.replace(state.incidents[incident.incident], steps=steps, opened_steps=said.at)
    state.incidents[incident.incident] = incident
    tell(out, incident, IncidentChange.STEPS_OPENED, said.at, by=said.by, quantity=said.quantity, value=said.value)


def _stands(state: State, incident: Incident, quantity: str, limit: np.float32) -> bool:
    """Whether some place was at the limit when it was last measured: of all incidents that speak of this device."""
    together = [state.incidents[name] for name in family(state, root(state, incident.incident))]
    newest = [
        incident_marks.newest_readings(one.marks).values()
        for one in together
        if one.slot == incident.slot or one.incident == incident.incident
    ]
    return any(one.quantity == quantity and _reached(one.value or 0.0, limit) for some in newest for one in some)


def _where(state: State, incident: Incident) -> int:
    """Where its alarm stands: the incident's first device, or that of another of its alarms once it has left the
    registry; -1: none of them is there."""
    if state.fleet.devices[incident.slot] is not None:
        return incident.slot
    return min((slot for (slot, _), alarm in state.open.items() if alarm.incident == incident.incident), default=-1)


def _looking(state: State, slot: int, quantity: str) -> int:
    """The number of the rule of kind `field`, if there is one that is about this quantity and looks at this device, or
    -1."""
    compiled = state.compiled
    if slot < 0 or compiled.field < 0 or compiled.rules[compiled.field].quantity != quantity:
        return -1
    return compiled.field if compiled.looks[compiled.class_of[slot], compiled.field] else -1


def _reached(value: float, limit: np.float32) -> bool:
    """Compared as readings are kept, as 4-byte floats."""
    return bool(np.float32(value) >= limit)
