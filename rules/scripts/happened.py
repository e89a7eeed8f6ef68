"""Decisions as the lines of a rule script, and whether what was expected is what happened.

An expectation is written in the words in which a happening is printed, so what a failing script says was not expected
can be copied into it as it stands.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from devices.commands import Verb
from rules import decisions as d
from rules.scripts.text import Line, duration_us, split_options, spoken_us

#: What is only compared where a script says `also ...`: of every closing there are many of these, of every alarm one.
ALSO = ("commands", "incidents", "answers", "rules")
_TIMES = frozenset({"onset", "at", "until", "expires", "hears_by", "confirm_by", "expected"})
_MARKS = frozenset({"late", "trial", "reverted"})
_OPTIONS = (
    *("onset", "at", "until", "expires", "hears_by", "confirm_by", "expected", "value", "by", "attempt", "verb"),
    *("scope", "priority", "quantity", "step", "resolution", "into", "lel", "for"),
)


@dataclass(frozen=True, slots=True)
class Happened:
    """`words`: what it is and about whom, in order. `marks`: what sets it apart so much that an expectation must say
    it. `text`: what it says in plain words. `sort`: a word of ALSO, or empty."""

    words: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    text: str = ""
    sort: str = ""

    def __str__(self) -> str:
        said = [*self.words, *sorted(self.marks), *(f"{key}={value}" for key, value in self.options.items() if value)]
        return "expect " + " ".join(said) + (f' "{self.text}"' if self.text else "")


@dataclass(frozen=True, slots=True)
class Expected:
    """As Happened; options that are not given are not compared, `text` must be contained."""

    line: Line
    words: tuple[str, ...]
    options: Mapping[str, str]
    marks: frozenset[str]
    text: str

    def met_by(self, one: Happened) -> bool:
        return (
            one.words[: len(self.words)] == self.words
            and one.marks == self.marks
            and self.text in one.text
            and all(_same(key, value, one.options.get(key, "")) for key, value in self.options.items())
        )


def expected(line: Line, words: Sequence[str]) -> Expected:
    """Of the words after `expect`; text stands in quotes at the end. Raises ValueError."""
    plain, options = split_options(words, _OPTIONS)
    marks = frozenset(plain) & _MARKS
    plain = [word for word in plain if word not in marks and word != "->"]
    quoted = len(plain) > 1 and line.text.endswith(('"', "'")) and words[-1] == plain[-1]
    text = plain.pop() if quoted else ""
    if not plain or plain[0] not in KINDS:
        raise ValueError(f"nothing that happens is called {' '.join(plain)!r}; it is one of {', '.join(KINDS)}")
    for key in options.keys() & _TIMES:
        duration_us(options[key])
    return Expected(line, tuple(plain), options, marks, text)


def _same(key: str, said: str, was: str) -> bool:
    if key in _TIMES:
        return was != "" and duration_us(said) == duration_us(was)
    if key in ("value", "lel"):
        return was != "" and abs(float(said) - float(was)) <= 1e-6 * max(1.0, abs(float(was)))
    return said == was


def unmet(expectations: Sequence[Expected], found: Sequence[Happened]) -> tuple[list[Expected], list[Happened]]:
    """(what did not happen, what was not expected). The order does not matter. Of several that an expectation could
    mean, the narrowest expectations choose first."""
    left = list(found)
    missing: list[Expected] = []
    for one in sorted(expectations, key=lambda e: -len(e.words) - len(e.options) - bool(e.text)):
        met = next((at for at, happened in enumerate(left) if one.met_by(happened)), -1)
        if met < 0:
            missing.append(one)
        else:
            del left[met]
    return sorted(missing, key=lambda one: one.line.place.line), left


class Teller:
    """Says decisions in the words of a script. `start`: what its times count from. `names`: of devices, by number."""

    def __init__(self, start: int, names: Mapping[int, str]) -> None:
        self.start, self.names = start, names
        self.of_alarm: dict[str, tuple[str, str]] = {}
        self.of_incident: dict[str, str] = {}

    def tell(self, made: Iterable[d.Decision]) -> list[Happened]:
        return [_TOLD[type(one)](self, one) for one in made]

    def time(self, at: int) -> str:
        return spoken_us(at - self.start) if at else ""

    def name(self, device_no: int) -> str:
        return self.names.get(device_no, str(device_no))

    def cause(self, alarm: str) -> str:
        return "/".join(self.of_alarm.get(alarm, (alarm,)))


def _raised(teller: Teller, one: d.AlarmRaised) -> Happened:
    device = teller.name(one.device_no)
    teller.of_alarm[one.alarm] = device, one.rule
    state = one.state.name.lower()
    return Happened(
        ("alarm", device, one.rule, one.priority.name.lower()) + ((state,) if state != "unacknowledged" else ()),
        {
            "onset": teller.time(one.onset),
            "at": teller.time(one.at),
            "value": "" if one.value is None else f"{one.value:.9g}",
            "for": teller.cause(one.because) if one.because else "",
            "expected": teller.time(one.expected),
            "until": teller.time(getattr(one, "until", 0)),
        },
        _marks(late=one.late, trial=one.trial),
        one.note,
    )


def _changed(teller: Teller, one: d.AlarmChanged) -> Happened:
    change = one.change.value.replace(" ", "-")
    return Happened(
        (change, teller.name(one.device_no), one.rule, one.state.name.lower()),
        {
            "at": teller.time(one.at),
            "onset": teller.time(one.onset),
            "priority": one.priority.name.lower(),
            "by": one.by,
            "until": teller.time(one.until),
            "expected": teller.time(one.expected),
            "resolution": one.resolution,
        },
        _marks(trial=one.trial),
        one.comment,
    )


def _close(teller: Teller, one: d.CloseWanted) -> Happened:
    options = {
        "at": teller.time(one.at),
        "for": teller.cause(one.alarm) if one.alarm else "",
        "by": one.by,
        "confirm_by": teller.time(one.confirm_by),
        "hears_by": teller.time(one.hears_by),
    }
    return Happened(("close", teller.name(one.device_no)), options, text=one.reason if one.by else "")


def _fan(teller: Teller, one: d.FanWanted) -> Happened:
    options = {"at": teller.time(one.at), "for": teller.cause(one.alarm) if one.alarm else ""}
    return Happened(("fan", teller.name(one.device_no)), options)


def _command(teller: Teller, one: d.AttemptRequested) -> Happened:
    options = {
        "attempt": str(one.attempt),
        "verb": one.verb.value,
        "at": teller.time(one.at),
        "expires": teller.time(one.expires),
    }
    sort = "" if one.verb is Verb.PERMIT_OPEN else "commands"
    return Happened(("command", teller.name(one.device_no)), options, sort=sort)


def _stepped(teller: Teller, one: d.CommandStepped) -> Happened:
    words = ("step", teller.name(one.device_no), one.step.value)
    return Happened(words, {"at": teller.time(one.at)}, text=one.note, sort="commands")


def _ended(teller: Teller, one: d.WantedEnded) -> Happened:
    options = {"at": teller.time(one.at), "by": one.by}
    return Happened(("ended", teller.name(one.device_no), one.outcome.value), options, text=one.comment)


def _incident(teller: Teller, one: d.IncidentChanged) -> Happened:
    teller.of_incident[one.incident] = one.key
    value = "" if one.value is None else f"{one.value:.9g}"
    return Happened(
        ("incident", one.key or "-", one.change.value.replace(" ", "-")),
        {
            "scope": one.scope.value,
            "priority": one.priority.name.lower(),
            "at": teller.time(one.at),
            "for": teller.cause(one.alarm) if one.alarm else "",
            "by": one.by,
            "quantity": one.quantity,
            "value": value,
            "step": one.step,
            "resolution": one.resolution,
            "into": teller.of_incident.get(one.into, one.into),
        },
        text=one.comment,
        sort="incidents",
    )


def _permit(teller: Teller, one: d.PermitChanged) -> Happened:
    options = {
        "at": teller.time(one.at),
        "by": one.by,
        "expires": teller.time(one.expires),
        "lel": "" if one.combustible_lel is None else f"{one.combustible_lel:.9g}",
    }
    return Happened(("permit", teller.name(one.device_no), one.state.value), options, text=one.comment)


def _held(teller: Teller, one: d.ShutOffHeld) -> Happened:
    options = {
        "at": teller.time(one.at),
        "value": "" if one.value is None else f"{one.value:.9g}",
        "for": teller.cause(one.alarm) if one.alarm else "",
        "by": one.by,
    }
    words = ("shut-off", teller.name(one.device_no), one.change.value, one.rule)
    return Happened(words, options, text=one.reason)


def _noted(teller: Teller, one: d.RuleNoted) -> Happened:
    words, sort = ("rule", one.rule), "" if one.reverted else "rules"
    return Happened(words, {"at": teller.time(one.at)}, _marks(reverted=one.reverted), one.what, sort)


def _answered(teller: Teller, one: d.Answered) -> Happened:
    if one.accepted:
        return Happened(("accepted",), sort="answers")
    return Happened(("refused",), text=one.reason)


def _marks(**said: bool) -> frozenset[str]:
    return frozenset(name for name, true in said.items() if true)


_TOLD: dict[type, Callable[..., Happened]] = {
    d.AlarmRaised: _raised,
    d.AlarmChanged: _changed,
    d.CloseWanted: _close,
    d.FanWanted: _fan,
    d.AttemptRequested: _command,
    d.CommandStepped: _stepped,
    d.WantedEnded: _ended,
    d.IncidentChanged: _incident,
    d.PermitChanged: _permit,
    d.ShutOffHeld: _held,
    d.RuleNoted: _noted,
    d.Answered: _answered,
}
#: The first words of what may be expected.
KINDS: tuple[str, ...] = (
    "alarm",
    *(change.value.replace(" ", "-") for change in d.Change),
    *("close", "fan", "ended", "command", "step", "incident", "permit", "shut-off", "rule", "accepted", "refused"),
)
