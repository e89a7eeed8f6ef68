"""The policies are what seed 001, Annex 1 says, and nothing else."""

from datetime import date
from pathlib import Path

import pytest

from davy.coverage_policies import policies, policies_that_load
from davy.exits import CannotGoOn
from davy.settings import load_settings
from devices.coverage_policy import BUILT_IN, Clause, Policy, decode_policy, encode_policy, load_policies, load_policy
from devices.models import DeviceKind

POLICIES = load_policies()
DETECTOR, VALVE = DeviceKind.DETECTOR, DeviceKind.SELF_CLOSING_VALVE


def asked(policy: Policy) -> set[tuple[str, DeviceKind, float | None, str]]:
    def due(clause: Clause) -> str:
        return "gas_on" if clause.at_gas_on else str(clause.by or "")

    return {(one, clause.device, clause.above_m, due(clause)) for clause in policy.clauses for one in clause.classes}


@pytest.mark.parametrize(("key", "units"), [("wulong_2022_targets", "2022-01-31"), ("wulong_2022_steps", "2021-12-31")])
def test_a_version_asks_for_exactly_what_the_text_asks_for(key: str, units: str) -> None:
    assert asked(POLICIES[key]) == {
        ("new_unit", DETECTOR, None, "gas_on"),
        ("new_resident", VALVE, None, "gas_on"),
        ("new_resident", DETECTOR, 100.0, "gas_on"),
        ("existing_unit", DETECTOR, None, units),
        ("old_neighbourhood", VALVE, None, "2022-12-31"),
        ("hardship", VALVE, None, "2022-12-31"),
        ("old_neighbourhood", DETECTOR, 100.0, "2022-12-31"),
        ("hardship", DETECTOR, 100.0, "2022-12-31"),
        ("other_resident", DETECTOR, 100.0, "2022-12-31"),
        ("other_resident", VALVE, None, ""),
    }


def test_the_two_versions_differ_in_the_day_for_existing_unit_users_only() -> None:
    targets, steps = asked(POLICIES["wulong_2022_targets"]), asked(POLICIES["wulong_2022_steps"])
    assert {one[0] for one in targets ^ steps} == {"existing_unit"}
    assert POLICIES["wulong_2022_targets"].numbers == POLICIES["wulong_2022_steps"].numbers
    assert POLICIES["wulong_2022_targets"].schedule == POLICIES["wulong_2022_steps"].schedule


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda one: one.key)
def test_every_clause_says_where_it_stands_and_what_it_says(policy: Policy) -> None:
    for clause in policy.clauses:
        assert clause.source
        assert len(clause.quote) > 10
    # 全部: all of them. Only where the text sets no share is there none.
    assert {clause.target_pct for clause in policy.clauses if clause.by or clause.at_gas_on} == {100}
    assert {clause.target_pct for clause in policy.clauses if not (clause.by or clause.at_gas_on)} == {None}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=lambda one: one.key)
def test_a_policy_is_kept_as_it_was(policy: Policy) -> None:
    assert decode_policy(encode_policy(policy)) == policy


def test_reports_are_due_on_fridays_in_the_attack_phase_and_then_on_the_15th() -> None:
    attack, then, after = POLICIES["wulong_2022_targets"].schedule
    assert (attack.since, attack.until, attack.weekday) == (date(2022, 1, 10), date(2022, 3, 10), 5)
    assert (then.since, then.until, then.day_of_month) == (date(2022, 3, 11), date(2022, 12, 31), 15)
    assert (after.since, after.until, after.day_of_month) == (date(2023, 1, 1), None, 15)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('classes = ["new_unit"]', 'classes = ["nobody"]'), "clause 1: no class nobody"),
        (("weekday = 5", "weekday = 9"), "schedule 1: weekday 9"),
        (("day_of_month = 15", "day_of_month = 31"), "schedule 2: day_of_month 31"),
        (("by = 2022-01-31", "by = 2022-01-31\nat_gas_on = true"), "due by a day and at gas-on"),
        (("closing_months = 12", "closing_months = 0"), "numbers.closing_months"),
        (('timezone = "Asia/Shanghai"', 'timezone = "Asia/Atlantis"'), "timezone: 'Asia/Atlantis'"),
        (('key = "hardship"', 'key = "other_resident"'), "class other_resident: stands there twice"),
        (("target_pct = 100", "target_pct = 101"), "target_pct 101"),
        (("above_m = 100", "above = 100"), "above"),
    ],
)
def test_a_faulty_policy_is_refused_with_place_and_reason(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = (BUILT_IN / "wulong_2022_targets.toml").read_text("utf-8")
    assert change[0] in text
    (tmp_path / "mine.toml").write_text(text.replace(*change, 1), "utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml: ") as refused:
        load_policy(tmp_path / "mine.toml")
    assert said in str(refused.value)


def test_a_policy_of_a_known_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wulong_2022_steps.toml").write_bytes((BUILT_IN / "wulong_2022_steps.toml").read_bytes())
    with pytest.raises(ValueError, match="a name of its own"):
        load_policies(tmp_path)


def test_a_faulty_policy_stops_davy_up_and_no_part_that_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = 1\n")
    settings = load_settings({"DAVY_CONFIG": "", "DAVY_COVERAGE_POLICIES": str(tmp_path)}, tmp_path)
    with pytest.raises(CannotGoOn, match=r"mine\.toml"):
        policies(settings)
    assert policies_that_load(settings) == POLICIES
