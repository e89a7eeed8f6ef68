"""Random histories of the district, made by letting the reference live through them, so that what people and devices
say is about alarms, incidents, commands and permits that exist."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from devices.fleet import Fleet
from devices.quantities import ValvePosition
from devices.readings import Rows, blank
from rules.decisions import Decision, command_id
from rules.documents.document import RulePack
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    Replied,
    Restored,
    Resumed,
)
from rules.instructions import (
    Acknowledge,
    ApprovePermit,
    Arrived,
    CancelClose,
    CloseIncident,
    CloseValve,
    Comment,
    CompletePermit,
    Dispatched,
    FieldReading,
    FieldStep,
    ReleaseHeld,
    RequestPermit,
    Reset,
    Resolution,
    Resolve,
    ReturnToService,
    Shelve,
    StepDone,
    TakeOutOfService,
    Unshelve,
    VetoHeld,
    WithdrawPermit,
)
from tests.rules.random_rows import random_rows
from tests.rules.reference import Reference
from tests.rules.world import SECOND, T0

POSITIONS = (*(ValvePosition.CLOSED,) * 5, *(ValvePosition.OPEN,) * 3, *ValvePosition)
PEOPLE = ("anna", "li", "wang")


class Moment(NamedTuple):
    """What came in: events, at `now`; readings, at one time or a few up to then, ascending."""

    now: int
    events: tuple[Event, ...]
    rows: Rows

    @property
    def begins(self) -> int:
        """When the first of it came in."""
        return min(self.now, int(self.rows["received"][0])) if len(self.rows) else self.now

    @property
    def ends_with_something(self) -> bool:
        """Something came in at its very end."""
        return bool(self.events) or (len(self.rows) > 0 and int(self.rows["received"][-1]) == self.now)

    @property
    def of_everybody(self) -> bool:
        """Time before it is not the engine's to live through."""
        return any(isinstance(event, Resumed | Restored) for event in self.events)


class Life(NamedTuple):
    """Moments, what the reference decided at each, and the reference as it is then."""

    history: list[Moment]
    decided: list[list[Decision]]
    model: Reference


def random_life(rng: random.Random, fleet: Fleet, pack: RulePack, moments: int) -> Life:
    model = Reference(fleet, pack, T0)
    history: list[Moment] = []
    decided: list[list[Decision]] = []
    behind: dict[int, int] = {}
    t = 0.0
    for _ in range(moments):
        t += rng.choice((0.001, 0.5, 1, 1, 2, 3, 7, 15, 29.5, 62))
        t += rng.choice((150, 650, 1900)) if rng.random() < 0.03 else 0
        now = T0 + round(t * SECOND)
        events = [_event(rng, now, number, model) for number in range(rng.choice((0, 0, 1, 1, 2, 3)))]
        chance = rng.random()
        if chance < 0.02:
            t += 500
            now = T0 + round(t * SECOND)
            events = [Resumed(at=now, down_us=500 * SECOND)]
        elif chance < 0.035 and history and history[-1].ends_with_something:
            # Nothing falls due between what came last and a restore: an engine that was not there fires nothing.
            events = [Restored(at=now, least_epoch=now // 60_000_000 % 7)]
        elif chance < 0.06:
            events.append(rng.choice((Paused(at=now), Listening(at=now))))
        many = rng.choice((0, 1, 1, 2, 5, 20))
        rows = random_rows(rng, many, t, behind) if many else blank(0)
        if rng.random() < 0.3 and not any(isinstance(event, Resumed | Restored) for event in events):
            _spread(rng, rows, now - (history[-1].now if history else T0))
        moment = Moment(now, tuple(events), rows[fleet.slots(rows["device_no"]) >= 0])
        history.append(moment)
        decided.append(model.step(moment.rows, fleet.slots(moment.rows["device_no"]).tolist(), moment.events, now))
    return Life(history, decided, model)


def _spread(rng: random.Random, rows: Rows, most_us: int) -> None:
    """Over the time since the moment before: each was measured and received so much earlier."""
    sooner = sorted((rng.choice((0, 1, rng.randrange(most_us))) for _ in rows), reverse=True)
    for row, by_us in zip(rows, sooner, strict=True):
        row["received"] -= by_us
        row["ts"] -= by_us


def _event(rng: random.Random, now: int, number: int, model: Reference) -> Event:
    said: dict[str, Any] = {"at": now, "id": f"{now}-{number}", "by": rng.choice(PEOPLE)}
    over = [name for name, case in model.cases.open.items() if case.over or case.steps]
    if model.permits and rng.random() < 0.4:
        return _of_permits(rng, said, rng.choice([one.name for one in model.permits.values()]))
    if model.held and rng.random() < 0.2:
        return _of_held(rng, said, model)
    if over and rng.random() < 0.2:
        return _of_incidents(rng, said, rng.choice(over))
    sort = rng.random()
    if sort < 0.45:
        return _of_links(rng, now, model)
    if sort < 0.7:
        return _of_alarms(rng, now, said, model)
    return _of_incidents(rng, said, _some(rng, list(model.cases.open))) if sort < 0.8 else _of_valves(rng, said, model)


def _some(rng: random.Random, names: Sequence[str]) -> str:
    return rng.choice([*names, "nothing"])


def _of_links(rng: random.Random, now: int, model: Reference) -> Event:
    commands = [attempt.command for want in model.wants.values() for attempt in want.tries[-1:]]
    commands += [command_id(permit.name, 1) for permit in model.permits.values()]
    command = _some(rng, commands)
    found = model.find(command)
    device_no = int(
        model.fleet.device_no[found[0].slot if found and rng.random() < 0.9 else rng.randrange(len(model.fleet))]
    )
    return rng.choice(
        (
            *(AttemptSent(at=now, command=command) for _ in range(4)),
            AttemptFailed(at=now, command=command, reason="not connected"),
            AttemptAcknowledged(at=now, command=command),
            Connected(at=now, device_no=device_no),
            *(Replied(at=now, command=command, device_no=device_no, valve=rng.choice(POSITIONS)) for _ in range(2)),
            LinkDown(at=now, device_no=rng.choice((1, device_no, 999)), reason="no route to host"),
            LinkUp(at=now, device_no=1),
        )
    )


def _of_alarms(rng: random.Random, now: int, said: dict[str, Any], model: Reference) -> Event:
    alarm = _some(
        rng, [cell.alarm for cell in model.cells.values() if cell.state] + [one.alarm for one in model.shelves.values()]
    )
    until = now + rng.choice((-1, 2, 20, 20, 60, 3_000, 90_000, 10_000_000)) * SECOND
    role, reason = rng.choice(("resident", "operator")), rng.choice(("being painted", " "))
    device_no = int(rng.choice(model.fleet.device_no))
    gone = [int(model.fleet.device_no[slot]) for slot in model.service] or [device_no]
    events: tuple[Event, ...] = (
        *(Acknowledge(**said, alarm=alarm, comment="seen") for _ in range(3)),
        *(Reset(**said, alarm=alarm) for _ in range(2)),
        *(Shelve(**said, alarm=alarm, until=until, reason=reason, role=role) for _ in range(2)),
        Unshelve(**said, alarm=alarm),
        Resolve(**said, alarm=alarm, resolution=rng.choice(tuple(Resolution))),
        Comment(**said, subject=_some(rng, [alarm, *model.cases.open]), text=rng.choice(("hm", " "))),
        TakeOutOfService(**said, device_no=device_no, until=rng.choice((0, until)), reason="cleaned"),
        ReturnToService(**said, device_no=rng.choice((device_no, *gone))),
    )
    return rng.choice(events)


def _of_incidents(rng: random.Random, said: dict[str, Any], incident: str) -> Event:
    quantity = rng.choice(("combustible_lel", "combustible_lel", "co_ppm", "taste"))
    value, place = rng.choice((0.0, 5.0, 20.0, 60.0, float("nan"))), rng.choice(("", "kitchen", " stairs "))
    reading = FieldReading(**said, incident=incident, quantity=quantity, value=value, place=place)
    events: tuple[Event, ...] = (
        Dispatched(**said, incident=incident, crew=rng.choice(("crew 1", "")), comment=rng.choice(("", "go"))),
        Arrived(**said, incident=incident),
        reading,
        reading,
        *(StepDone(**said, incident=incident, step=rng.choice(tuple(FieldStep))) for _ in range(3)),
        *(CloseIncident(**said, incident=incident, resolution=Resolution.REAL) for _ in range(3)),
    )
    return rng.choice(events)


def _of_permits(rng: random.Random, said: dict[str, Any], permit: str) -> Event:
    events: tuple[Event, ...] = (
        *(ApprovePermit(**said, permit=permit) for _ in range(3)),
        WithdrawPermit(**said, permit=permit, reason="no need"),
        *(CompletePermit(**said, permit=permit, combustible_lel=lel) for lel in (0.0, 4.9, 5.0)),
    )
    return rng.choice(events)


def _of_held(rng: random.Random, said: dict[str, Any], model: Reference) -> Event:
    waits = rng.choice(list(model.held.values()))
    rule = model.rules[waits.number].id
    which = rng.choice((0, int(model.fleet.device_no[waits.target]), 3))
    if rng.random() < 0.5:
        return ReleaseHeld(**said, rule=rule, device_no=which)
    return VetoHeld(**said, rule=rule, reason=rng.choice(("wrong rule", "")), device_no=which)


def _of_valves(rng: random.Random, said: dict[str, Any], model: Reference) -> Event:
    numbers = model.fleet.device_no
    valves = [slot for slot in model.fleet.valves if not model.forbidden(slot)] or [0]
    free, any_no = (
        int(numbers[rng.choice(valves)]),
        int(numbers[rng.choice([*model.fleet.valves, *model.fleet.fans, 0])]),
    )
    wanted = _some(rng, [want.wanted for want in model.wants.values()])
    events: tuple[Event, ...] = (
        CloseValve(**said, device_no=any_no, reason="by hand"),
        *(CancelClose(**said, wanted=wanted, reason="works on site") for _ in range(2)),
        *(RequestPermit(**said, device_no=device_no, reason="repaired") for device_no in (free, free, any_no)),
        _of_permits(rng, said, "no such permit"),
        ReleaseHeld(**said, rule=rng.choice(("no-such", model.rules[0].id))),
    )
    return rng.choice(events)
