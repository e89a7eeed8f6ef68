"""What a rule may say beyond a limit: each key is read, and refused with its place where it means nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.classes import Group
from devices.models import Tier
from rules.decisions import Priority
from rules.documents.document import Kind, PackRefused, RulePack, RuleState, load_pack
from rules.language.tree import Comparison, Missing
from tests.rules.test_document import LIMIT, RULE, refusal

CONDITION = RULE + 'condition = "combustible_lel >= 20 %LEL"\n'


def load(text: str, *, kept: bool = False) -> RulePack:
    return load_pack(text.encode(), "mine.toml", kept=kept)


def second(text: str, name: str = "other") -> str:
    return text.replace('version = "1"', "").replace('"gas"', f'"{name}"')


def test_expressions_are_parsed_once_for_all_that_judge_by_them() -> None:
    text = CONDITION.replace("20 %LEL", "limit") + (
        'clear_condition = "combustible_lel < 15 %LEL"\nnumbers = { limit = "20 %LEL" }\n'
        'escalate = [{ when = "combustible_lel >= 40 %LEL", priority = "critical" }]\n'
    )
    pack = load(text)
    (rule,), (parsed,) = pack.rules, pack.parsed
    assert isinstance(parsed.condition, Comparison)
    assert isinstance(parsed.clear, Comparison)
    assert (len(parsed.escalate), rule.escalate[0].priority) == (1, Priority.CRITICAL)
    assert rule.numbers == {"limit": "20 %LEL"}


def test_everything_that_a_rule_may_say_is_read() -> None:
    (rule,) = load(
        CONDITION
        + 'only = { models = ["m"], tiers = ["low"], measures = ["co_ppm"], enterprises = ["e"], areas = ["42"],'
        + ' site_classes = ["catering"], tags = ["t"] }\n'
        + 'schedule = { from = "22:00", until = "06:00", days = ["sat", "sun"], timezone = "Asia/Shanghai" }\n'
        + 'state = "canary"\ncanary_pct = 5\nnotify = "maintenance"\n'
    ).rules
    assert (rule.only.tiers, rule.only.areas) == ((Tier.LOW,), ("42",))
    assert rule.schedule is not None
    assert (rule.schedule.from_, rule.schedule.days) == ("22:00", ("sat", "sun"))
    assert (rule.state, rule.canary_pct, rule.notify) == (RuleState.CANARY, 5.0, "maintenance")


def test_an_outage_and_a_reading_on_site_are_read() -> None:
    outage = RULE.replace('applies_to = ["detector"]', 'kind = "outage"\ngroup = "area"\nleast = 3\nshare_pct = 30')
    field = RULE.replace('applies_to = ["detector"]', 'kind = "field"\nquantity = "combustible_lel"\nat_or_above = 20')
    first, other = load(outage + second(field)).rules
    assert (first.kind, first.group, first.least, first.share_pct) == (Kind.OUTAGE, Group.AREA, 3, 30.0)
    assert (other.kind, other.quantity, other.at_or_above) == (Kind.FIELD, "combustible_lel", 20.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # expressions
        (RULE + 'condition = "methane >= 20 %LEL"', "mine.toml:9: rule 'gas': condition: column 1: 'methane' is"),
        (RULE + 'condition = "combustible_lel >= 20"', "mere number are not the same unit; write 20 %LEL"),
        (RULE + 'condition = "combustible_lel >= 1 mg/m3"', "column 20: mg/m3 is not converted"),
        (
            RULE + 'condition = "combustible_lel >= -20 %LEL"',
            "true of every possible reading, so it would fire for the",
        ),
        (RULE + 'condition = "combustible_lel >= 9999 %LEL"', "is true of no possible reading"),
        (RULE + 'condition = "mean(combustible_lel, 40 d) > 1 %LEL"', "a window of mean is 1 s to"),
        (CONDITION + 'clear_condition = "combustible_lel < 25 %LEL"', "the alarm would clear while it is true"),
        (LIMIT + 'clear_condition = "combustible_lel < 5 %LEL"', "mine.toml:12: rule 'gas': clear_condition: needs a"),
        (
            CONDITION + 'quantity = "co_ppm"\nat_or_above = 3',
            "mine.toml:11: rule 'gas': at_or_above: a rule with a condition has no limit of its own",
        ),
        (
            CONDITION + 'numbers = { x = "1 ppm" }',
            "mine.toml:10: rule 'gas': numbers.x: no expression of the rule asks",
        ),
        (CONDITION + 'numbers = { co_ppm = "1 ppm" }', "numbers.co_ppm: 'co_ppm' is a word of the language; choose"),
        (CONDITION + 'numbers = { x = "many" }', "numbers.x: 'many' is not a number with a unit"),
        (CONDITION + "numbers = { x = 3 }", "numbers[...]: must be a text in quotes, not a whole number"),
        (
            RULE.replace('applies_to = ["detector"]', 'kind = "silence"') + 'condition = "fault"',
            "mine.toml:9: rule 'gas': condition: a rule of kind silence makes no use of it",
        ),
        # limits that every reading is at, or never clear of
        (
            RULE + 'quantity = "combustible_lel"\nat_or_above = -5\nclear_below = -5',
            "mine.toml:10: rule 'gas': at_or_above: -5 is true of every possible reading, so it would fire for the",
        ),
        (
            RULE + 'quantity = "battery_pct"\nat_or_below = 100\nclear_above = 100',
            "at_or_below: 100 is true of every possible reading, so it would fire for the whole fleet at once",
        ),
        (
            RULE + 'quantity = "pressure_kpa"\nat_or_above = -101.3999999\nclear_below = -101.4',
            "at_or_above: -101.4 is true of every possible reading",
        ),
        (
            RULE + 'quantity = "battery_pct"\nat_or_above = 5\nclear_below = 0',
            "clear_below: at 0 the alarm would never clear: battery_pct is never below 0 %",
        ),
        (
            RULE + 'quantity = "battery_pct"\nat_or_below = 5\nclear_above = 100',
            "clear_above: at 100 the alarm would never clear: battery_pct is never above 100 %",
        ),
        # missing(...)
        (
            RULE + 'condition = "missing(10 min)"\nhold_s = 3',
            "hold_s: means nothing beside missing(...), which looks at no reading",
        ),
        (RULE + 'condition = "missing(10 min)"\nflags = ["fault"]', "flags: means nothing beside missing(...)"),
        (RULE + 'condition = "missing(10 min) or fault"', "missing(...) stands alone"),
        (CONDITION + 'escalate = [{ when = "missing(1 h)", priority = "critical" }]', "missing(...) stands alone"),
        # escalations
        (CONDITION + 'escalate = [{ when = "fault", priority = "low" }]', "escalate[0].priority: must be higher than"),
        (CONDITION + 'escalate = [{ when = "fault", priority = "top" }]', "escalate[0].priority: 'top' is not one of"),
        (CONDITION + 'escalate = [{ priority = "critical" }]', "escalate[0].when: is missing"),
        (CONDITION + 'escalate = [{ when = "", priority = "critical" }]', "escalate[0].when"),
        # schedules
        (LIMIT + 'schedule = { from = "24:00", until = "06:00" }', "schedule.from: '24:00' is not a time of day"),
        (LIMIT + 'schedule = { from = "22:00" }', "mine.toml:12: rule 'gas': schedule.until: is missing"),
        (LIMIT + 'schedule = { from = "1:00", until = "6" }', "schedule.until: '6' is not a time of day"),
        (LIMIT + 'schedule = { from = "22:00", until = "06:00", days = [] }', "schedule.days: names no day"),
        (
            LIMIT + 'schedule = { from = "22:00", until = "06:00", days = ["so"] }',
            "schedule.days: 'so' is not one of mon",
        ),
        (
            LIMIT + 'schedule = { from = "22:00", until = "06:00", timezone = "China/Wuhan" }',
            "schedule.timezone: 'China/Wuhan' is not an IANA time zone such as Asia/Shanghai",
        ),
        (
            LIMIT + 'flags = ["low_alarm"]\nschedule = { from = "22:00", until = "06:00" }',
            "schedule: a device's own alarm (low_alarm) counts at any hour",
        ),
        (
            RULE + 'condition = "high_alarm"\nschedule = { from = "22:00", until = "06:00" }',
            "schedule: a device's own alarm (high_alarm) counts at any hour",
        ),
        # trials, budget, notice
        (LIMIT + 'state = "canary"', "canary_pct: must be more than 0 and less than 100 percent of the sites"),
        (LIMIT + "canary_pct = 5", 'canary_pct: goes with state = "canary"'),
        (LIMIT + 'state = "on"', "state: 'on' is not one of draft, dry_run, canary, active"),
        (LIMIT + "budget = { least = 1 }", "budget: has nothing to hold back"),
        (LIMIT + 'action = "close"\nbudget = { least = 0 }', "budget.least: must be 1 to 10000"),
        (LIMIT + 'action = "close"\nbudget = { share_pct = 101 }', "budget.share_pct: must be 0 to 100"),
        (LIMIT + 'action = "close"\nbudget = { per_s = 1 }', "budget.per_s: must be 60 to 86400"),
        (LIMIT + 'notify = "Page me"', "notify: must be 1 to 20 of a-z _"),
        (
            LIMIT.replace('["detector"]', '["gateway"]') + 'action = "fan_on"',
            'action: only a rule with applies_to = ["detector"] may run fans',
        ),
        # selections
        (LIMIT + "only = { areas = [''] }", "only.areas: holds an empty text"),
        (LIMIT + 'only = { measures = ["ch4"] }', "only.measures: 'ch4' is not one of"),
        # kinds
        (RULE.replace('applies_to = ["detector"]', 'kind = "outage"'), "group: an outage is counted in one of site"),
        (
            RULE.replace('applies_to = ["detector"]', 'kind = "outage"\ngroup = "area"'),
            "least: must be 1 or more devices",
        ),
        (
            RULE.replace('applies_to = ["detector"]', 'kind = "outage"\ngroup = "street"\nleast = 1'),
            "group: 'street' is not one of site, riser, building, area, gateway",
        ),
        (LIMIT + "least = 3", "least: a rule of kind measured makes no use of it"),
        (
            RULE.replace('applies_to = ["detector"]', 'kind = "field"'),
            "at_or_above: a rule of kind field needs the limit",
        ),
        (
            RULE.replace('applies_to = ["detector"]', 'kind = "held"\nstate = "dry_run"'),
            "state: a rule of kind held makes no use of it",
        ),
        # suppression
        (LIMIT + 'suppressed_by = ["nobody"]', "mine.toml:12: rule 'gas': suppressed_by: there is no rule 'nobody'"),
        (LIMIT + 'suppressed_by = ["gas"]', "suppressed_by: goes in a circle: gas by gas"),
    ],
)
def test_what_means_nothing_is_refused_with_its_place_and_reason(text: str, said: str) -> None:
    assert said in refusal(text)


def test_suppression_in_a_circle_names_the_way_round() -> None:
    low = LIMIT.replace('"high"', '"low"')
    circle = (
        low.replace("hold", "hold") + 'suppressed_by = ["two"]\n'
        + second(low, "two") + 'suppressed_by = ["three"]\n'
        + second(low, "three") + 'suppressed_by = ["gas"]\n'
    )  # fmt: skip
    assert "rule 'gas': suppressed_by: goes in a circle: gas by two by three by gas; each would hide" in refusal(circle)
    assert len(load(low + 'suppressed_by = ["two"]\n' + second(low, "two")).rules) == 2


@pytest.mark.parametrize(
    "gas",
    [
        LIMIT.replace('"high"', '"critical"'),
        RULE.replace('"high"', '"critical"') + 'flags = ["high_alarm"]\n',
        RULE.replace('"high"', '"critical"') + 'condition = "rate(co_ppm, 60 s) > 5 ppm/s"\n',
        RULE.replace('"high"', '"critical"') + 'condition = "fault and not low_alarm"\n',
        LIMIT + 'escalate = [{ when = "fault", priority = "critical" }]\n',
    ],
)
def test_a_critical_gas_alarm_is_never_suppressed(gas: str) -> None:
    other = second(RULE) + 'flags = ["tamper"]\n'
    assert "suppressed_by: a critical gas alarm is never suppressed" in refusal(
        gas + 'suppressed_by = ["other"]\n' + other
    )
    heat = RULE.replace('"high"', '"critical"') + 'condition = "temperature_c >= 60 degC"\nsuppressed_by = ["other"]\n'
    assert len(load(heat + other).rules) == 2


def test_missing_is_a_whole_condition() -> None:
    (parsed,) = load(RULE + 'condition = "missing(2 * interval + 1 min)"\nsuppressed_by = []\n').parsed
    assert isinstance(parsed.condition, Missing)


def test_the_place_of_an_expression_s_fault_is_shown_below_it_on_its_own_line() -> None:
    text = RULE + 'condition = """\nfault or\n  methane > 1 %LEL"""\n'
    with pytest.raises(PackRefused) as caught:
        load(text)
    (placed,) = caught.value.faults
    assert placed.place == "mine.toml:9"
    assert placed.fault.caret == "      methane > 1 %LEL\n      ^^^^^^^"


def test_what_is_found_against_the_meaning_of_a_pack_does_not_stop_an_engine_that_has_it_in_force() -> None:
    for text in (
        RULE + 'condition = "combustible_lel >= -20 %LEL"\n',
        CONDITION + 'clear_condition = "combustible_lel < 25 %LEL"\n',
        RULE + 'quantity = "combustible_lel"\nat_or_above = -5\nclear_below = -5\n',
        LIMIT + 'schedule = { from = "22:00", until = "06:00", timezone = "Mars/Olympus" }\n',
    ):
        refusal(text)
        assert load(text, kept=True).rules[0].id == "gas"
        assert len(load(text, kept=True).parsed) == 1


keys = st.sampled_from(
    ["condition", "clear_condition", "numbers.x", "escalate", "schedule.from", "only.tags", "budget.least", "override"]
)
words = st.sampled_from(
    ["fault", "x", "missing(1 h)", "combustible_lel > x", "co_ppm > 3 ppm", "20 %LEL", "22:00", "", "any(site, fault)"]
)
values = st.one_of(words.map(repr), st.lists(words, max_size=2).map(str), st.integers(-3, 3).map(str), st.just("{}"))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(keys, values, max_size=5), st.sampled_from(list(Kind)))
def test_whatever_is_said_it_is_a_pack_with_its_expressions_or_a_refusal_with_a_place(
    said: dict[str, str], kind: Kind
) -> None:
    text = RULE + f'kind = "{kind}"\n' + "".join(f"{key} = {value}\n" for key, value in said.items())
    try:
        pack = load(text)
    except PackRefused:
        assert all(line.startswith("mine.toml") for line in refusal(text).splitlines())
        return
    assert len(pack.parsed) == len(pack.rules)
    assert bool(pack.rules[0].condition) == (pack.parsed[0].condition is not None)
