from pathlib import Path

import pytest

from simulators.scenario import FOLDER, Leak, find_scenario, load_scenario, scenario_names

PROMISED = {
    "burst-hose",
    "clock-8h-wrong",
    "co-blocked-flue",
    "leak-demo",
    "network-outage",
    "reconnect-storm",
    "slow-leak",
    "stuck-valve",
}
HEAD = 'title = "t"\nstory = "s"\nhomes = 3\n'


def test_every_promised_scenario_is_there() -> None:
    assert set(scenario_names()) == PROMISED


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_a_scenario_loads_and_tells_what_it_is_about(name: str) -> None:
    scenario = find_scenario(name)
    assert scenario.key == name
    assert scenario.event
    assert len(scenario.story.split()) > 15
    assert scenario == load_scenario(FOLDER / f"{name}.toml")


def test_the_demo_has_200_homes_a_leak_within_15_s_and_no_end() -> None:
    demo = find_scenario("leak-demo")
    assert (demo.homes, demo.duration_s) == (200, None)
    assert any(isinstance(event, Leak) and event.at_s < 15.0 for event in demo.event)


@pytest.mark.parametrize(
    ("body", "place", "reason"),
    [
        (HEAD.replace("homes = 3", "homes = 0"), "$.homes", ">= 1"),
        (HEAD + "speed = 0", "$.speed", "> 0"),
        (HEAD + "sped = 2", "sped", "unknown field"),
        (HEAD + '[[event]]\ndo = "leek"\nat_s = 1', "$.event[0].do", "leak, mend"),
        (HEAD + '[[event]]\ndo = "leak"\nat_s = 1', "$.event[0]", "flow_m3h"),
        (HEAD + '[[event]]\ndo = "leak"\nat_s = 1\nflow_m3h = "much"', "$.event[0].flow_m3h", "float"),
        (HEAD + '[[event]]\ndo = "mend"\nat_s = 1\nhomes = { having = "gas" }', "$.event[0].homes.having", "gas"),
        (HEAD + 'duration_s = 5\n[[event]]\ndo = "mend"\nat_s = 5', "event[0].at_s", "not before duration_s"),
        (HEAD + "[detector]\nlow_lel = 50", "$.detector", "must not be above high_lel"),
        ("title = 1 2", "wrong.toml", "line 1"),
    ],
)
def test_a_wrong_scenario_is_refused_with_file_key_and_reason(
    tmp_path: Path, body: str, place: str, reason: str
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(body)
    with pytest.raises(ValueError, match=r"wrong\.toml") as refused:
        load_scenario(path)
    assert place in str(refused.value)
    assert reason in str(refused.value)


def test_an_unknown_scenario_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="leak-demo"):
        find_scenario("earthquake")
