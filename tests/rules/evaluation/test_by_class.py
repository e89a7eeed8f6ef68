"""What holds for which class of devices: numbers of their own, who is looked at, and what all of it takes of memory."""

import msgspec
import numpy as np
import pytest

from devices.fleet import build_fleet
from devices.models import DeviceKind
from devices.quantities import Flag
from devices.sites import Registry
from rules.decisions import Priority
from rules.documents.document import Escalation, Override, RuleState, Schedule, Selection
from rules.evaluation.compiled import MOST_BYTES, compile_new, compile_pack, remembers_too_much
from rules.language.expression import parse_condition
from rules.language.tree import Parsed
from tests.rules.evaluation.desk import FLEET, Desk, flagged, pack, reading, registry, rule

OLD = build_fleet(registry(tagged=("m1", "m2")))
LIMIT = {"limit": "20 %LEL"}


def override(*tags: str, rule_id: str = "rule-0", limit: str = "10 %LEL") -> Override:
    return Override(rule_id, Selection(tags=tags), "product choice", numbers={"limit": limit})


def test_a_number_is_another_one_where_an_override_fits() -> None:
    desk = Desk(pack(rule("combustible_lel >= limit", numbers=LIMIT), overrides=(override("old"),)), OLD)
    assert desk.says(*(reading(name, 0, combustible_lel=15) for name in ("m1", "m2", "m3"))) == [1, 1, 0]


def test_the_last_override_that_fits_holds() -> None:
    overrides = (override("old"), override("old", limit="18 %LEL"))
    desk = Desk(pack(rule("combustible_lel >= limit", numbers=LIMIT), overrides=overrides), OLD)
    assert desk.says(*(reading("m1", t, combustible_lel=lel) for t, lel in ((0, 15), (1, 18)))) == [0, 1]


def test_what_is_remembered_under_a_number_that_differs_is_not_shared_with_another_rule() -> None:
    rules = [rule("since(combustible_lel >= limit) >= 9 s", numbers=LIMIT, id=f"rule-{n}") for n in range(2)]
    desk = Desk(pack(*rules, overrides=(override("old"),)), OLD)
    assert len(desk.compiled.program.keepers) == 2
    rows = [reading("m1", t, combustible_lel=15) for t in (0, 10)]
    assert desk.hear(*rows).whole(np.arange(2)).raised.tolist() == [[0, 0], [1, 0]]
    assert len(Desk(pack(*rules)).compiled.program.keepers) == 1


def test_a_registry_that_changes_keeps_what_is_remembered_and_a_new_number_begins_anew() -> None:
    said = rule("since(combustible_lel >= limit) >= 9 s", numbers=LIMIT)
    desk = Desk(pack(said))
    desk.hear(reading("m1", 0, combustible_lel=30))
    grown = Desk(pack(said, rule("cohb(co_ppm) >= 5 %", id="rule-1")), build_fleet(registry(6), FLEET))
    grown.windows = desk.windows.reshaped(grown.compiled)
    assert grown.says(reading("m1", 10, combustible_lel=30)) == [1]
    other = Desk(pack(rule("since(combustible_lel >= limit) >= 9 s", numbers={"limit": "25 %LEL"})))
    other.windows = grown.windows.reshaped(other.compiled)
    assert other.says(reading("m1", 11, combustible_lel=30)) == [0]


@pytest.mark.parametrize("homes", [4, 5], ids=["nobody comes", "others come"])
def test_what_is_remembered_of_a_device_that_leaves_is_forgotten(homes: int) -> None:
    desk = Desk.of("since(combustible_lel >= 20 %LEL) >= 9 s")
    desk.hear(reading("m4", 0, combustible_lel=30))
    without = tuple(one for one in registry(homes).devices if one.serial != "m4")
    gone = Desk(desk.compiled.pack, build_fleet(msgspec.structs.replace(registry(homes), devices=without), FLEET))
    gone.windows = desk.windows.reshaped(gone.compiled)
    back = Desk(desk.compiled.pack, build_fleet(registry(homes), gone.fleet))
    back.windows = gone.windows.reshaped(back.compiled)
    assert back.says(reading("m4", 10, combustible_lel=30)) == [0]


def test_a_draft_looks_at_nobody_and_remembers_nothing() -> None:
    desk = Desk.of("mean(combustible_lel, 5 min) >= 20 %LEL", state=RuleState.DRAFT)
    assert not desk.compiled.looks.any()
    assert not desk.compiled.program.keepers


def test_a_rule_all_about_what_the_model_does_not_measure_looks_away() -> None:
    slots = FLEET.slots(np.array([2, 3], np.int32))  # m1, v1
    assert Desk.of("mean(combustible_lel, 5 min) >= 20 %LEL").compiled.looks_at(slots)[:, 0].tolist() == [True, False]
    assert Desk.of("combustible_lel >= 20 %LEL or tamper").compiled.looks_at(slots)[:, 0].tolist() == [True, True]


def test_where_nothing_is_measured_the_flags_of_a_rule_are_all_it_has() -> None:
    desk = Desk.of("combustible_lel >= 20 %LEL", flags=("tamper",))
    row = reading("v1", 0, combustible_lel=90)
    found = desk.hear(row, flagged(row.copy(), Flag.TAMPER)).whole(np.arange(2))
    assert (found.raised[:, 0].tolist(), found.cleared[:, 0].tolist()) == ([0, 1], [1, 0])
    assert found.at_once[:, 0].tolist() == [False, True]


def test_a_selection_keeps_a_rule_to_its_devices() -> None:
    desk = Desk(pack(rule("combustible_lel >= 20 %LEL", only=Selection(tags=("old",)))), OLD)
    assert desk.says(*(reading(name, 0, combustible_lel=30) for name in ("m1", "m3"))) == [1, 0]
    kinds = Desk.of("tamper", applies_to=(DeviceKind.SHUT_OFF_VALVE,))
    assert kinds.says(*(flagged(reading(name, 0), Flag.TAMPER) for name in ("m1", "v1"))) == [0, 1]


def test_an_escalation_that_is_true_is_the_priority_of_the_row() -> None:
    made, parsed = rule(
        "combustible_lel >= 20 %LEL", escalate=(Escalation("combustible_lel >= 50 %LEL", Priority.CRITICAL),)
    )
    worse = parse_condition("combustible_lel >= 50 %LEL", {})
    desk = Desk(pack((made, Parsed(parsed.condition, None, (worse,)))))
    rows = [reading("m1", t, combustible_lel=lel) for t, lel in ((0, 30), (1, 60), (2, float("nan")))]
    found = desk.hear(*rows).whole(np.arange(3))
    assert found.priority[:, 0].tolist() == [Priority.HIGH, Priority.CRITICAL, Priority.HIGH]


def test_an_alarm_of_flags_alone_may_escalate_by_what_is_measured() -> None:
    worse = "mean(combustible_lel, 60 s) >= 50 %LEL"
    made, _ = rule("tamper", flags=("tamper",), escalate=(Escalation(worse, Priority.CRITICAL),))
    alone = msgspec.structs.replace(made, condition="")
    desk = Desk(pack((alone, Parsed(None, None, (parse_condition(worse, {}),)))))
    rows = [flagged(reading("m1", t, combustible_lel=lel), Flag.TAMPER) for t, lel in ((0, 30), (1, 90))]
    assert desk.hear(*rows).whole(np.arange(2)).priority[:, 0].tolist() == [Priority.HIGH, Priority.CRITICAL]


def test_outside_its_schedule_a_rule_is_not_true_and_is_clear() -> None:
    night = Schedule("22:00", "06:00", timezone="UTC")
    desk = Desk.of("combustible_lel >= 20 %LEL", schedule=night)
    rows = [reading("m1", hour * 3600, combustible_lel=30) for hour in (5.9, 6, 21.9, 22)]
    found = desk.hear(*rows)
    whole = found.whole(np.arange(4))
    assert found.raised[:, 0].tolist() == [True, False, False, True]
    assert whole.raised[:, 0].tolist() == [1, 0, 0, 1]
    assert whole.cleared[:, 0].tolist() == [0, 1, 1, 0]


def test_a_rule_of_silence_knows_for_each_class_after_how_long() -> None:
    desk = Desk.of("missing(3 * interval + 5 s)")
    compiled, slots = desk.compiled, FLEET.slots(np.array([1, 2, 3], np.int32))  # bare, m1, v1
    assert compiled.silence == (0,)
    assert compiled.looks_at(slots)[:, 0].tolist() == [False, True, True]
    assert compiled.silent_us[compiled.class_of[slots[1:]], 0].tolist() == [35_000_000, 95_000_000]
    fixed = Desk.of("missing(1 h)").compiled
    assert fixed.looks_at(slots)[:, 0].tolist() == [True, True, True]


# ---- memory ---------------------------------------------------------------------------------------------------------


def test_what_a_device_takes_is_known_before_the_rules_are_in_force() -> None:
    compiled = compile_pack(pack(rule("twa(co_ppm, 8 h) >= 16 ppm"), rule("cohb(co_ppm) >= 5 %", id="rule-1")), FLEET)
    desk = Desk(compiled.pack)
    kept = sum(array.nbytes for array in desk.windows.arrays().values()) // len(FLEET)
    assert compiled.program.bytes_per_device == kept == 96 * 12 + 5 * 8 + 20
    assert compiled.bytes_of_rule.tolist() == [96 * 12 + 5 * 8 + 1, 20 + 1]
    assert compiled.bytes_per_device > kept


def test_what_two_rules_ask_for_alike_is_kept_and_counted_once() -> None:
    rules = [rule(f"twa(co_ppm, 8 h) >= {n + 16} ppm", id=f"rule-{n}") for n in range(40)]
    assert compile_pack(pack(*rules), FLEET).bytes_per_device < MOST_BYTES


def test_too_much_memory_is_refused_with_the_dearest_rules_and_what_to_do() -> None:
    rules = [rule(f"twa(co_ppm, {n + 4} h) >= 16 ppm", id=f"rule-{n}") for n in range(14)]
    dear = rule("twa(co_ppm, 90 min) >= 9 ppm and twa(co_ppm, 100 min) >= 9 ppm", id="the-dearest")
    with pytest.raises(ValueError, match=r"16384 are allowed; the dearest are 'the-dearest' \(2385 bytes\)"):
        compile_new(pack(*rules, dear), FLEET)


def test_rules_in_force_that_remember_too_much_serve_all_the_same() -> None:
    rules = [rule(f"twa(co_ppm, {n + 4} h) >= 16 ppm", id=f"rule-{n}") for n in range(16)]
    assert "16384 are allowed" in remembers_too_much(compile_pack(pack(*rules), FLEET))


def test_what_a_device_takes_does_not_depend_on_the_registry() -> None:
    """Or rules that were taken could end the engine when a device is registered."""
    held = [rule("combustible_lel >= 20 %LEL", id=f"held-{n}", hold_s=60.0) for n in range(3)]
    old = Override("rule-0", Selection(tags=("old",)), "product choice", clear_hold_s=5.0)
    asked = pack(*held, rule("cohb(co_ppm) >= 5 %"), rule("fault", id="rule-1"), overrides=(old,))
    fleets = (build_fleet(Registry()), FLEET, OLD)
    assert {compile_pack(asked, fleet).bytes_per_device for fleet in fleets} == {17 + 4 * 17 + 20 + 1}
