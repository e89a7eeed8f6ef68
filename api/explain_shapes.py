"""Explanations as they are shown: what each rule made of a device at a time."""

from pydantic import Field

from api.shapes import AlarmStateWord, PriorityWord, Shape
from api.times import Utc
from rules.documents.document import Kind
from rules.history import explain_types as e


class Predicate(Shape):
    """One comparison or test of a rule."""

    role: e.Role = Field(description="Which of the rule's conditions it stands in")
    text: str = Field(examples=["combustible_lel >= 20"])
    says: e.Says
    value: float | None = Field(description="Null: unknown, or it has none")
    certainty: e.Certainty = Field(description="`at least`: some of it is not known; it is this or more")
    comparator: str | None
    threshold: float | None
    unit: str | None
    why: str | None = Field(description="Of an unknown one the quality of the quantity")


class Timer(Shape):
    """A hold that runs; `clearing`: a clear hold."""

    clearing: bool
    since: Utc = Field(description="Effective time")
    due: Utc
    lasts_s: float
    passed_s: float


class Stood(Shape):
    """An alarm as it was written then, with its newest step."""

    alarm: str
    state: AlarmStateWord
    priority: PriorityWord
    trial: bool
    onset: Utc
    at: Utc
    change: str
    by: str | None
    comment: str | None


class RuleSaid(Shape):
    """What one rule made of the device by then."""

    rule: str
    title_zh: str
    title_en: str
    kind: Kind
    priority: PriorityWord
    reason: e.Reason
    sentence_zh: str
    sentence_en: str
    raised: e.Says = Field(description="What its condition said at the device's last live reading")
    cleared: e.Says
    state: AlarmStateWord = Field(description="What is shown")
    true_state: AlarmStateWord
    alarm: str | None = Field(description="Null: none is open")
    onset: Utc | None
    older: bool = Field(description="It may have begun before `onset`, and before what was looked at")
    trial: bool
    timer: Timer | None
    predicates: list[Predicate]
    stood: Stood | None = Field(description="The alarm as it was shown then; null: none was. All above is recomputed")
    differs_zh: str | None
    differs_en: str | None = Field(description="In what what was shown is another than what is recomputed")


class LastReading(Shape):
    """The device's last reading that rules could see: neither late nor stale."""

    ts: Utc
    received: Utc
    values: dict[str, float | None] = Field(description="By quantity; null where its quality is not good")
    qualities: dict[str, str]
    flags: list[str]
    valve: str
    valve_cause: str


class Step(Shape):
    """Something that became of an alarm of this device in the time looked at."""

    at: Utc
    rule: str
    change: str
    state: AlarmStateWord


class Explanation(Shape):
    """Recomputed from stored readings by the engine's own rules, those that were in force then."""

    device: str
    device_no: int
    model: str
    at: Utc
    since: Utc = Field(description="History was looked at from there")
    readings: int
    heard: Utc | None = Field(description="When it was last heard at all; null: not since `since`")
    last: LastReading | None
    rules: list[RuleSaid]
    steps: list[Step]


def show_explanation(found: e.Explained) -> Explanation:
    return Explanation(
        device=found.identity,
        device_no=found.device_no,
        model=found.model,
        at=found.at,
        since=found.since,
        readings=found.readings,
        heard=found.heard or None,
        last=None if found.last is None else _last(found.last),
        rules=[_rule(rule) for rule in found.rules],
        steps=[Step(at=turn.at, rule=turn.rule, change=turn.what, state=turn.state) for turn in found.turns],
    )


def _rule(rule: e.RuleExplained) -> RuleSaid:
    return RuleSaid(
        rule=rule.rule,
        title_zh=rule.title_zh,
        title_en=rule.title_en,
        kind=rule.kind,
        priority=rule.priority,
        reason=rule.reason,
        sentence_zh=rule.sentence_zh,
        sentence_en=rule.sentence_en,
        raised=rule.raised,
        cleared=rule.cleared,
        state=rule.state,
        true_state=rule.phase,
        alarm=rule.alarm or None,
        onset=rule.onset or None,
        older=rule.older,
        trial=rule.trial,
        timer=None if rule.running is None else _timer(rule.running),
        predicates=[_predicate(one) for one in rule.predicates],
        stood=None if rule.stood is None else _stood(rule.stood),
        differs_zh=rule.differs_zh or None,
        differs_en=rule.differs_en or None,
    )


def _stood(one: e.Stood) -> Stood:
    return Stood(
        alarm=one.alarm,
        state=one.state,
        priority=one.priority,
        trial=one.trial,
        onset=one.onset,
        at=one.at,
        change=one.change,
        by=one.by or None,
        comment=one.comment or None,
    )


def _timer(running: e.Running) -> Timer:
    return Timer(
        clearing=running.clearing,
        since=running.since,
        due=running.due,
        lasts_s=running.lasts_s,
        passed_s=running.passed_s,
    )


def _predicate(one: e.Predicate) -> Predicate:
    return Predicate(
        role=one.role,
        text=one.text,
        says=one.says,
        value=one.value,
        certainty=one.certainty,
        comparator=one.comparator or None,
        threshold=one.threshold,
        unit=one.unit or None,
        why=one.why or None,
    )


def _last(said: e.Said) -> LastReading:
    return LastReading(
        ts=said.ts,
        received=said.received,
        values=said.values,
        qualities=said.qualities,
        flags=list(said.flags),
        valve=said.valve,
        valve_cause=said.valve_cause,
    )
