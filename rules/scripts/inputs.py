"""What a rule script may tell the engine besides readings: what people do, what links report. A table of verbs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from devices.quantities import ValvePosition
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
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    Restored,
    SessionLost,
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
from rules.scripts.text import duration_us, split_options

#: Who acts when a line does not say.
SOMEBODY = "somebody"
_OPTIONS = ("by", "until", "role", "boot", "first", "many", "lost", "place")


class Known(Protocol):
    """What names in a script stand for at this moment. All raise ValueError for what there is not."""

    def device(self, name: str) -> int: ...

    def alarm(self, device: str, rule: str) -> str: ...

    def incident(self, key: str) -> str: ...

    def permit(self, valve: str) -> str: ...

    def wanted(self, valve: str) -> str: ...

    def command(self, valve: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Told:
    """One line of it, read: the words after the verb, the options, and what names stand for. `now` is the time, `start`
    the time that times in the script count from. `id` is the instruction's."""

    words: tuple[str, ...]
    options: dict[str, str]
    known: Known
    now: int
    start: int
    id: str

    @property
    def by(self) -> str:
        return self.options.get("by", SOMEBODY)

    @property
    def until(self) -> int:
        """A time of the script (2h), or a time from now (+2h); 0: not said."""
        text = self.options.get("until", "")
        if not text:
            return 0
        return (self.now if text.startswith("+") else self.start) + duration_us(text)

    def text(self, after: int) -> str:
        """What is said beyond the first so many words."""
        return " ".join(self.words[after:])

    def alarm(self) -> str:
        return self.known.alarm(self.words[0], self.words[1])

    def device(self) -> int:
        return self.known.device(self.words[0])

    def number(self, key: str) -> int:
        if key not in self.options:
            raise ValueError(f"{key}= is needed")
        return int(self.options[key])


_Make = Callable[[Told], Event]


def _person(make: Callable[[Told], dict[str, object]], kind: type) -> _Make:
    return lambda told: kind(at=told.now, id=told.id, by=told.by, **make(told))


#: Verb -> how it is written, how many words it needs, what it becomes.
_INSTRUCTIONS: dict[str, tuple[str, int, _Make]] = {
    "acknowledge": ("DEVICE RULE", 2, _person(lambda t: {"alarm": t.alarm(), "comment": t.text(2)}, Acknowledge)),
    "reset": ("DEVICE RULE", 2, _person(lambda t: {"alarm": t.alarm()}, Reset)),
    "shelve": (
        'DEVICE RULE until=2h [role=operator] "REASON"',
        2,
        _person(
            lambda t: {
                "alarm": t.alarm(),
                "until": t.until,
                "reason": t.text(2),
                "role": t.options.get("role", "operator"),
            },
            Shelve,
        ),
    ),
    "unshelve": ("DEVICE RULE", 2, _person(lambda t: {"alarm": t.alarm()}, Unshelve)),
    "out-of-service": (
        'DEVICE [until=2h] "REASON"',
        1,
        _person(lambda t: {"device_no": t.device(), "until": t.until, "reason": t.text(1)}, TakeOutOfService),
    ),
    "in-service": ("DEVICE", 1, _person(lambda t: {"device_no": t.device()}, ReturnToService)),
    "comment": ('DEVICE RULE "TEXT"', 3, _person(lambda t: {"subject": t.alarm(), "text": t.text(2)}, Comment)),
    "resolve": (
        'DEVICE RULE real|false|test|maintenance ["COMMENT"]',
        3,
        _person(lambda t: {"alarm": t.alarm(), "resolution": Resolution(t.words[2]), "comment": t.text(3)}, Resolve),
    ),
    "close": (
        'VALVE "REASON"',
        1,
        _person(lambda t: {"device_no": t.device(), "reason": t.text(1) or "by hand"}, CloseValve),
    ),
    "cancel": (
        'VALVE "REASON"',
        1,
        _person(lambda t: {"wanted": t.known.wanted(t.words[0]), "reason": t.text(1)}, CancelClose),
    ),
    "dispatched": (
        "INCIDENT CREW",
        2,
        _person(
            lambda t: {"incident": t.known.incident(t.words[0]), "crew": t.words[1], "comment": t.text(2)}, Dispatched
        ),
    ),
    "arrived": (
        "INCIDENT",
        1,
        _person(lambda t: {"incident": t.known.incident(t.words[0]), "comment": t.text(1)}, Arrived),
    ),
    "field": (
        "INCIDENT QUANTITY VALUE [place=...]",
        3,
        _person(
            lambda t: {
                "incident": t.known.incident(t.words[0]),
                "quantity": t.words[1],
                "value": float(t.words[2]),
                "place": t.options.get("place", ""),
            },
            FieldReading,
        ),
    ),
    "done": (
        "INCIDENT evacuate|cordon|close_upstream|vent",
        2,
        _person(
            lambda t: {
                "incident": t.known.incident(t.words[0]),
                "step": FieldStep(t.words[1]),
                "comment": t.text(2),
            },
            StepDone,
        ),
    ),
    "note": (
        'INCIDENT "TEXT"',
        2,
        _person(lambda t: {"subject": t.known.incident(t.words[0]), "text": t.text(1)}, Comment),
    ),
    "close-incident": (
        "INCIDENT real|false|test|maintenance",
        2,
        _person(
            lambda t: {
                "incident": t.known.incident(t.words[0]),
                "resolution": Resolution(t.words[1]),
                "comment": t.text(2),
            },
            CloseIncident,
        ),
    ),
    "request-permit": (
        'VALVE "REASON"',
        1,
        _person(lambda t: {"device_no": t.device(), "reason": t.text(1) or "work is done"}, RequestPermit),
    ),
    "approve-permit": ("VALVE", 1, _person(lambda t: {"permit": t.known.permit(t.words[0])}, ApprovePermit)),
    "withdraw-permit": (
        'VALVE "REASON"',
        1,
        _person(lambda t: {"permit": t.known.permit(t.words[0]), "reason": t.text(1)}, WithdrawPermit),
    ),
    "complete-permit": (
        "VALVE %LEL",
        2,
        _person(
            lambda t: {
                "permit": t.known.permit(t.words[0]),
                "combustible_lel": float(t.words[1]),
                "comment": t.text(2),
            },
            CompletePermit,
        ),
    ),
    "release": (
        "RULE [VALVE]",
        1,
        _person(lambda t: {"rule": t.words[0], "device_no": _or_all(t)}, ReleaseHeld),
    ),
    "veto": (
        "RULE [VALVE]",
        1,
        _person(lambda t: {"rule": t.words[0], "device_no": _or_all(t), "reason": t.text(2)}, VetoHeld),
    ),
}


def _or_all(told: Told) -> int:
    return told.known.device(told.words[1]) if len(told.words) > 1 else 0


def _replied(told: Told) -> Event:
    command = told.known.command(told.words[0])
    valve = ValvePosition[told.words[1].upper()]
    return Replied(at=told.now, command=command, device_no=told.device(), valve=valve)


#: What links and the engine itself report.
_LINK_EVENTS: dict[str, tuple[str, int, _Make]] = {
    "connected": ("DEVICE", 1, lambda t: Connected(at=t.now, device_no=t.device())),
    "sent": ("VALVE", 1, lambda t: AttemptSent(at=t.now, command=t.known.command(t.words[0]))),
    "failed": (
        'VALVE "REASON"',
        1,
        lambda t: AttemptFailed(at=t.now, command=t.known.command(t.words[0]), reason=t.text(1)),
    ),
    "delivered": ("VALVE", 1, lambda t: AttemptAcknowledged(at=t.now, command=t.known.command(t.words[0]))),
    "replied": ("VALVE POSITION", 2, _replied),
    "paused": ("", 0, lambda t: Paused(at=t.now)),
    "listening": ("", 0, lambda t: Listening(at=t.now)),
    "restored": ("", 0, lambda t: Restored(at=t.now)),
    "link-down": ('GATEWAY "REASON"', 1, lambda t: LinkDown(at=t.now, device_no=t.device(), reason=t.text(1))),
    "link-up": ("GATEWAY", 1, lambda t: LinkUp(at=t.now, device_no=t.device())),
    "session-lost": (
        'GATEWAY "REASON"',
        1,
        lambda t: SessionLost(at=t.now, device_no=t.device(), reason=t.text(1)),
    ),
    "readings-missing": (
        "DEVICE boot=1 first=120 many=7",
        1,
        lambda t: ReadingsMissing(
            at=t.now, device_no=t.device(), boot=t.number("boot"), first=t.number("first"), many=t.number("many")
        ),
    ),
    "readings-complete": (
        "DEVICE lost=0",
        1,
        lambda t: ReadingsComplete(at=t.now, device_no=t.device(), lost=t.number("lost")),
    ),
}
VERBS: dict[str, tuple[str, int, _Make]] = _INSTRUCTIONS | _LINK_EVENTS


def event(words: Sequence[str], known: Known, now: int, start: int, number: int) -> Event:
    """The event that one line stands for. Raises ValueError with the reason and how the line is written."""
    verb = words[0]
    if verb not in VERBS:
        raise ValueError(f"{verb!r} is nothing that can be told; it is one of {', '.join(VERBS)}")
    usage, needed, make = VERBS[verb]
    plain, options = split_options(words[1:], _OPTIONS)
    if len(plain) < needed:
        raise ValueError(f"write: {verb} {usage}")
    told = Told(tuple(plain), options, known, now, start, f"line-{number}")
    try:
        return make(told)
    except KeyError as wrong:
        raise ValueError(f"{wrong} is not known here; write: {verb} {usage}") from wrong
