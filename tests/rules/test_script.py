"""Rule scripts: what the notations mean, what a faulty script is told, and that nothing that happens goes unsaid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.quantities import Flag, Quality, ValvePosition, quality_shift
from rules.scripts.happened import ALSO, KINDS
from rules.scripts.inputs import VERBS
from rules.scripts.run import Ran, run_script
from rules.scripts.script import Load, parse_script
from rules.scripts.series import row, series
from rules.scripts.text import ScriptFault, duration_us, names, spoken_us

RULES = """
rules
    [[rule]]
    id = "gas"
    quantity = "combustible_lel"
    at_or_above = 20
    clear_below = 15
"""
HEAD = f"device d1 detector\n\n{RULES.strip()}"


def _no_file(name: str) -> bytes:
    raise AssertionError(f"{name} is asked for")


def _run(text: str) -> Ran:
    return run_script(parse_script(text, "x.rules"), _no_file)


def _fault(text: str) -> str:
    with pytest.raises(ScriptFault) as refused:
        _run(text)
    return str(refused.value)


def test_numbers_repeat_and_climb() -> None:
    assert [tick.value for tick in series("combustible_lel", ["0x2", "10", "20+5x3", "20-2.5x2", "-1"])] == [
        *(0, 0, 10, 20, 25, 30, 20, 17.5, -1)
    ]


def test_words_are_qualities_gaps_flags_and_positions() -> None:
    fault, gap, nothing = series("co_ppm", ["sensor_fault", "_", "."])
    assert (fault.quality, gap.gap, nothing.gap, nothing.absent) == (Quality.SENSOR_FAULT, True, False, True)
    assert [tick.number for tick in series("flags", ["low_alarm|fault", ".x2"])] == [
        int(Flag.LOW_ALARM | Flag.FAULT),
        *(0, 0),
    ]
    assert series("valve", ["closed"])[0].number == ValvePosition.CLOSED
    assert series("ts", ["-1m30s"])[0].number == -90_000_000


@pytest.mark.parametrize(
    ("column", "word", "reason"),
    [
        ("co", "1", "'co' is no column"),
        ("co_ppm", "2o", "'2o' is no value of co_ppm: a number"),
        ("co_ppm", "broken", "sensor_fault"),
        ("flags", "alarm", "low_alarm"),
        ("valve", "shut", "closed"),
        ("co_ppm", "1x0", "repeats are 1 to"),
        ("co_ppm", "1x999999", "repeats are 1 to"),
    ],
)
def test_a_wrong_word_says_what_it_may_be(column: str, word: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        series(column, [word])


def test_a_reading_holds_what_was_said_and_nothing_else() -> None:
    said = {"co_ppm": series("co_ppm", ["7"])[0], "combustible_lel": series("combustible_lel", ["warm_up"])[0]}
    made = row(3, 1_000, said)
    quality = int(made["quality"][0])
    assert made["co_ppm"][0] == 7
    assert np.isnan(made["combustible_lel"][0])
    assert quality >> quality_shift("combustible_lel") & 15 == Quality.WARM_UP
    assert quality >> quality_shift("pressure_kpa") & 15 == Quality.NOT_MEASURED


@given(us=st.integers(-(10**15), 10**15))
def test_a_spoken_duration_is_read_back(us: int) -> None:
    assert duration_us(spoken_us(us)) == us


def test_a_row_of_names() -> None:
    assert names("d1..d3") == ["d1", "d2", "d3"]
    assert names("h09..h11") == ["h09", "h10", "h11"]
    for wrong in ("d3..d1", "a..b", "d1..e3", "d1..d9999"):
        with pytest.raises(ValueError, match=r"names|second number"):
            names(wrong)


def test_columns_of_one_device_are_one_reading_per_tick() -> None:
    text = f"{HEAD}\nload every 10s\n    d1: combustible_lel 1x2 _ 1\n    d1: flags . tamper\nat 1m\n    expect nothing"
    script = parse_script(text, "x.rules")
    (load,) = (one for one in script.statements if isinstance(one, Load))
    assert [(device, column, len(ticks)) for _, device, column, ticks in load.columns] == [
        ("d1", "combustible_lel", 4),
        ("d1", "flags", 2),
    ]
    assert run_script(script, _no_file).readings == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devize d1 detector", "x.rules:1: 'devize' begins no statement"),
        ("  at 3s", "x.rules:1: is indented, but no statement stands above it"),
        ("device d1 detector\n    more", "x.rules:2: is indented below `device`"),
        ("device d1 toaster", "x.rules:1: there is no model 'toaster'; there are detector"),
        ("device d1 detector on=x", "x.rules:1: on= is not known here; known: at, gateway"),
        ("link d1 -> v1", "x.rules:1: there is no device 'd1'"),
        ("device d1 detector\nat 3s\n    expect nothing", "x.rules:2: no `rules` stand above it"),
        (f"{HEAD}\nat 3 s", "x.rules:9: write: at 60s"),
        (f"{HEAD}\nat soon", "x.rules:9: 'soon' is no time"),
        (f"{HEAD}\nat 9s\nat 3s", "x.rules:10: it is 9s already; times do not go back"),
        (f"{HEAD}\nat 3s\n    expect fire d1", "x.rules:10: nothing that happens is called 'fire d1'"),
        (f"{HEAD}\nat 3s\n    expect alarm d1 gas onset=soon", "x.rules:10: 'soon' is no time"),
        (f"{HEAD}\nat 3s\n    sing d1", "x.rules:10: 'sing' is nothing to do or to see"),
        (f"{HEAD}\nat 3s\n    shelve d1", "x.rules:10: write: shelve DEVICE RULE"),
        (f"{HEAD}\nat 3s\n    acknowledge d1 gas", "x.rules:10: no alarm of gas was raised at d1"),
        (f"{HEAD}\nat 3s\n    d1: combustible_lel=2x3", "x.rules:10: combustible_lel=2x3: here stands one reading"),
        (f"{HEAD}\nat 3s\n    d1: combustible_lel 20", "x.rules:10: 'combustible_lel': a reading is written as"),
        (f'{HEAD}\nat 3s\n    comment d1 gas "open', "x.rules:10: No closing quotation"),
        (f"{HEAD}\nload every 0s\n    d1: co_ppm 1", "x.rules:9: readings come every so often"),
        (f"{HEAD}\nload every 1s", "x.rules:9: no readings stand below it"),
        (f"{HEAD}\nload every 1s\n    d1 co_ppm 1", "x.rules:10: a reading begins with its device and a colon"),
        (f"{HEAD}\nload every 1s\n    d1: co_ppm 1\n    d1: co_ppm 2", "x.rules:11: d1 has co_ppm twice"),
        (f"{HEAD}\nat 3s\n    state d1 gas asleep", "x.rules:10: write: state DEVICE RULE STATE"),
        ("start noon", "x.rules:1"),
        ("also music", "x.rules:1: also music: it is one of commands"),
    ],
)
def test_a_faulty_script_says_where_and_why(text: str, said: str) -> None:
    assert said in _fault(text)


def test_a_fault_in_inline_rules_stands_at_its_line_in_the_script() -> None:
    text = 'device d1 detector\nrules\n    [[rule]]\n    id = "gas"\n    quantity = "oxygen"\n    at_or_above = 20\n'
    assert _fault(text).startswith("x.rules:5: rule 'gas': quantity: 'oxygen' is not one of")


def test_what_is_missing_and_what_was_not_expected_both_fail() -> None:
    ran = _run(f"{HEAD}\nat 3s\n    d1: combustible_lel=25\n    expect alarm d1 gas low\n    expect close d1")
    assert [str(one) for one in ran.failures] == [
        "x.rules:11: did not happen by 3s: expect alarm d1 gas low",
        "x.rules:12: did not happen by 3s: expect close d1",
        "x.rules:11: was not expected: expect alarm d1 gas high onset=3s at=3s value=25",
    ]


def test_what_a_report_says_can_be_copied_into_the_script() -> None:
    ran = _run(f"{HEAD}\nat 3s\n    d1: combustible_lel=25\n    expect nothing")
    (failure,) = ran.failures
    line = str(failure).split("was not expected: ")[1]
    assert _run(f"{HEAD}\nat 3s\n    d1: combustible_lel=25\n    {line}").ok


def test_nothing_may_happen_after_the_last_expectation() -> None:
    ran = _run(f"{HEAD}\nat 3s\n    expect nothing\nat 4s\n    d1: combustible_lel=25")
    assert "happened after the last expectation: expect alarm d1 gas high" in str(ran.failures[0])


def test_readings_that_no_time_reaches_are_a_failure() -> None:
    ran = _run(f"{HEAD}\nload every 10s\n    d1: combustible_lel 1x5\nat 3s\n    expect nothing")
    assert "readings up to 40s are left" in str(ran.failures[0])


def test_a_script_that_expects_nothing_at_all_fails() -> None:
    assert "it expects nothing" in str(_run(f"{HEAD}\nat 3s\n    d1: combustible_lel=1").failures[0])


def test_a_trial_or_late_alarm_is_not_taken_for_another() -> None:
    late = f"{HEAD}\nat 30s\n    d1: combustible_lel=25\n    expect alarm d1 gas late"
    assert not _run(late).ok


def test_a_state_that_is_not_so_is_told() -> None:
    text = f"{HEAD}\nat 3s\n    d1: combustible_lel=25\n    expect alarm d1 gas\n"
    for line, said in (
        ("state d1 gas normal", "d1 gas is unacknowledged, not normal"),
        ("alarms none", "there is an alarm d1/gas too"),
        ("alarms d1/gas d1/other", "there is no alarm d1/other"),
        ("hold d1 gas since=3s due=4s", "the hold is none"),
    ):
        assert [one.text for one in _run(f"{text}    {line}\n").failures] == [said]


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            [
                *("device d1 detector", "at 3s", "    expect nothing", "    d1: combustible_lel=25", "load every 1s"),
                *("    d1: co_ppm 1x3 _", "restart", "link d1 -> d1", "matrix m: d1 -> d1", "rules", "remove d1"),
                *(f"    {verb} d1 gas x" for verb in VERBS),
                *(f"    expect {kind} d1 gas" for kind in KINDS),
                *(f"also {one}" for one in ALSO),
                '    id = "x"',
            ]
        ),
        max_size=12,
    ).map("\n".join)
)
def test_any_lines_are_a_script_or_a_fault_with_its_place(text: str) -> None:
    said = "x.rules:"
    try:
        _run(f"{HEAD}\n{text}\n")
    except ScriptFault as wrong:
        said = str(wrong)
    assert said.startswith("x.rules:")


def test_packs_that_davy_brings_are_named_one_or_several_with_what_their_closings_need() -> None:
    gas = "title t\ndevice d1 detector\ndevice v1 valve\nlink d1 -> v1\n{}\nat 1s\n    d1: flags=high_alarm\n"
    for named in ("rules methane", "rules methane valves"):
        ran = _run(gas.format(named) + "    expect alarm d1 ch4-high\n    expect close v1\n")
        assert ran.ok, (named, ran.failures)
    assert "a file is named alone" in _fault(gas.format("rules methane mine.toml"))


def test_several_devices_of_one_model_are_one_line() -> None:
    assert _run(
        "title t\ndevice d1 d2 d4..d5 detector\nrules default\nat 1s\n    d5: flags=fault\n    expect alarm d5 fault"
    ).ok


def test_where_sites_have_lines_a_misspelt_one_is_refused_and_the_others_are_named() -> None:
    said = _fault("title t\nsite noodle_bar class=catering\ndevice d1 detector at=noodlebar\nrules default\nat 1s\n")
    assert "x.rules:3: there is no site 'noodlebar'; there are noodle_bar" in said


def test_a_device_that_has_left_cannot_leave_again() -> None:
    said = _fault("title t\ndevice d1 detector\nrules default\nremove d1 d1\nat 1s\n")
    assert "x.rules:4: d1 has left the registry already" in said
