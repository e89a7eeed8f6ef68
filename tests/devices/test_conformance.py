"""Annex 2 as data, and verdicts that say how much was seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.conformance.bounds import wilson
from devices.conformance.conform import conform
from devices.conformance.evidence import Evidence, Papers, Share
from devices.conformance.questions import Verdict
from devices.conformance.requirements import load_requirements
from devices.models import DeviceKind, Tier

ANNEX2 = load_requirements()
ALL = Share(400, 400)
HONEST = Evidence(
    devices=400,
    papers=Papers(in_force=frozenset({"CPA", "Ex", "fire", "standard", "CJ/T 447"})),
    claims=frozenset({"combustible_lel", "co_ppm"}),
    reported=ALL,
    sent={"combustible_lel": ALL, "co_ppm": ALL},
    state=ALL,
    valve_state=ALL,
    intervals=Share(97_000, 100_000),
    alarms=Share(120, 120),
    closings=Share(118, 119),
    linked=ALL,
    linked_reports=ALL,
    identifiers={"passive": ALL, "active": ALL},
)


def verdicts(tier: Tier, seen: Evidence, kind: DeviceKind = DeviceKind.DETECTOR) -> dict[str, Verdict]:
    return {one.clause.id: one.verdict for one in conform("m", kind, tier, ANNEX2, seen).clauses}


def changed(**values: object) -> Evidence:
    return Evidence(**({name: getattr(HONEST, name) for name in Evidence.__struct_fields__} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "tier", "clauses"),
    [
        (DeviceKind.DETECTOR, Tier.LOW, "1 2 3 5 6 7"),
        (DeviceKind.DETECTOR, Tier.MID, "1 2 3 3-co 4 5 5-active 6 7 7-notify"),
        (DeviceKind.DETECTOR, Tier.HIGH, "1 2 3 3-co 4 5 5-active 6 7 7-notify"),
        (DeviceKind.SELF_CLOSING_VALVE, Tier.LOW, "0 1 2"),
        (DeviceKind.SELF_CLOSING_VALVE, Tier.MID, "0 1 2 2-active 3 4 4-notify"),
        (DeviceKind.SELF_CLOSING_VALVE, Tier.HIGH, "0 1 2 2-active 3 4 4-notify"),
    ],
)
def test_annex_2_asks_of_each_kind_and_tier_what_it_says(kind: DeviceKind, tier: Tier, clauses: str) -> None:
    word = "detector" if kind is DeviceKind.DETECTOR else "valve"
    assert [one.id for one in ANNEX2.of(kind, tier)] == [f"{word}-{clause}" for clause in clauses.split()]


def test_an_honest_model_meets_all_that_can_be_seen() -> None:
    found = verdicts(Tier.LOW, HONEST)
    assert set(found.values()) == {Verdict.MET}
    high = verdicts(Tier.HIGH, HONEST)
    assert {clause for clause, verdict in high.items() if verdict is not Verdict.MET} == {"detector-7-notify"}
    assert conform("m", DeviceKind.DETECTOR, Tier.HIGH, ANNEX2, HONEST).verdict is Verdict.NOT_OBSERVABLE


def test_a_model_that_claims_carbon_monoxide_and_never_sent_it_does_not_meet_it() -> None:
    lying = changed(sent={"combustible_lel": ALL})
    assert verdicts(Tier.MID, lying)["detector-3-co"] is Verdict.NOT_MET
    assert verdicts(Tier.MID, lying)["detector-6"] is Verdict.NOT_MET
    assert conform("m", DeviceKind.DETECTOR, Tier.MID, ANNEX2, lying).verdict is Verdict.NOT_MET


def test_a_silent_model_is_not_found_to_meet_anything_but_its_papers() -> None:
    silent = Evidence(devices=3, papers=HONEST.papers, claims=HONEST.claims, reported=Share(0, 3))
    found = verdicts(Tier.LOW, silent)
    assert {clause for clause, verdict in found.items() if verdict is Verdict.MET} == {"detector-1", "detector-2"}
    assert found["detector-7"] is Verdict.NOT_MET
    assert found["detector-3"] is Verdict.NOT_OBSERVABLE


def test_too_few_devices_settle_nothing_and_the_number_is_said() -> None:
    few = changed(closings=Share(3, 3))
    clause = next(
        one for one in conform("m", DeviceKind.DETECTOR, Tier.MID, ANNEX2, few).clauses if one.clause.id == "detector-4"
    )
    assert clause.verdict is Verdict.NOT_OBSERVABLE
    assert "3 of 3, too few to tell" in clause.findings[0].reason_en
    assert clause.findings[0].low is not None
    assert clause.findings[0].low < 0.5


def test_a_certificate_that_ran_out_is_not_met_with_its_day() -> None:
    old = changed(papers=Papers(frozenset({"CPA", "fire", "standard"}), {"Ex": "2025-01-31"}))
    found = conform("m", DeviceKind.DETECTOR, Tier.LOW, ANNEX2, old).clauses[0]
    assert found.verdict is Verdict.NOT_MET
    assert "the Ex certificate ran out on 2025-01-31" in [finding.reason_en for finding in found.findings]


def test_a_kind_of_which_nothing_is_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="asks nothing of a gateway"):
        conform("m", DeviceKind.GATEWAY, Tier.LOW, ANNEX2, HONEST)


@given(st.integers(0, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_hold_the_share_and_narrow_as_more_is_seen(counts: tuple[int, int]) -> None:
    k, n = counts
    low, high = wilson(Share(k, n))
    assert 0.0 <= low <= high <= 1.0
    if n:
        assert low - 1e-12 <= k / n <= high + 1e-12
        more_low, more_high = wilson(Share(10 * k, 10 * n))
        assert more_high - more_low < high - low


def test_wilsons_bounds_are_those_of_the_literature() -> None:
    low, high = wilson(Share(15, 148))  # R. G. Newcombe, Statistics in Medicine 17, 1998, table I: 0.0624 to 0.1605
    assert (round(low, 4), round(high, 4)) == (0.0624, 0.1605)


def test_a_document_that_asks_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(
        'name="x"\nname_en="x"\nsource="x"\n[[clause]]\nid="a"\nkind="detector"\ntiers=["low"]\nplace="1"\n'
        'title="x"\ntitle_en="x"\ntext="x"\nasks=["sends:love"]\n',
        "utf-8",
    )
    with pytest.raises(ValueError, match=r"x\.toml: clause a: asks \['sends:love'\]"):
        load_requirements(path)
