"""A model file that is wrong is refused when it is loaded: every fault of it, by file, key and reason."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.registers import compile_map
from devices.models import BUILT_IN, DeviceModel, load_catalogue, load_model
from devices.register_examples import run_examples
from devices.registers import plan_reads, procedure

ON_A_BUS = [model for model in load_catalogue() if model.modbus is not None]

DETECTOR = """\
vendor = "v"
name = "n"
kind = "detector"
source = "made up for a test"
report_interval_s = 10

[modbus]
notation = "modicon"
channels = 2
field = [
    { name = "gas", at = 40001, type = "f32", stride = 10, quantity = "combustible_lel" },
    { name = "places", at = 40003, byte = "low" },
    { name = "state", at = 40004, bits = [0, 3] },
    { name = "label", at = 40005, type = "ascii", words = 2, extra = true },
    { name = "full", at = 40007, type = "u32" },
]
flag = [{ flag = "fault", when = [{ field = "state", bit = 0 }] }]
quality = [{ quality = "warm_up", when = [{ field = "state", one_of = [2] }] }]
check = [{ when = [{ field = "places", below = 7 }], reason = "no such device" }]
heartbeat = { field = "state", within_s = 5 }

[[modbus.example]]
title = "good"
registers = [{ at = 40001, words = [0x4220, 0] }]
expect = { combustible_lel = 40.0 }

[[modbus.example]]
title = "bad"
registers = [{ at = 40003, words = [9] }]
refused = "no such device"
"""

VALVE = """\
vendor = "v"
name = "n"
kind = "shut_off_valve"
source = "made up for a test"
report_interval_s = 10
actuator = { confirm_within_s = 60 }

[modbus]
notation = "zero_based"
field = [{ name = "at_closed", at = 0, space = "discrete", type = "bit" }]
valve = [{ position = "closed", when = [{ field = "at_closed", bit = 0 }], cause = "remote" }]

[[modbus.command]]
verb = "close"
style = "one_shot"
pulse_ms = 500
write = [{ function = 16, at = 90, values = [1, 2], then = [{ field = "at_closed", bit = 0, set = false }] }]
release = [{ function = 5, at = 3, values = [0] }]

[[modbus.example]]
title = "closed"
registers = [{ at = 0, space = "discrete", words = [1] }]
expect = { valve = "closed", valve_cause = "remote" }

[[modbus.example]]
title = "not seen closed"
registers = []
expect = { valve = "unknown" }
"""


def load(folder: Path, text: str, name: str = "mine.toml") -> DeviceModel:
    path = folder / name
    path.write_text(text, "utf-8")
    return load_model(path)


@pytest.mark.parametrize("text", [DETECTOR, VALVE])
def test_the_files_that_the_faults_are_put_into_are_sound(tmp_path: Path, text: str) -> None:
    assert run_examples(load(tmp_path, text)) == []


GAS = '"f32", stride = 10, quantity = "combustible_lel"'
DETECTOR_FAULTS = [
    # types and unknown keys
    ("at = 40003,", "at = 'x',", "modbus.field[1].at", "Expected `int`, got `str`"),
    ("bits = [0, 3]", "bitz = [0, 3]", "modbus.field[2].bitz", "there is no such key"),
    ("at = 40004, ", "", "modbus.field[2].at", "is missing"),
    ('"f32"', '"f64"', "modbus.field[0].type", "'f64' is not one of"),
    ('"warm_up"', '"cold"', "modbus.quality[0].quality", "'cold' is not one of"),
    ("within_s = 5", "within_s = 'soon'", "modbus.heartbeat.within_s", "Expected `float`"),
    ('vendor = "v"', 'vendor = "v"\ncolour = "red"', "colour", "there is no such key"),
    ("words = [9]", "words = 9", "modbus.example[1].registers[0].words", "Expected `array`"),
    # the map's own numbers
    ("channels = 2", "channels = 0", "modbus.channels", "must be 1 to 1000"),
    ("stride = 10, ", "", "modbus.channels", "no field has a stride"),
    ("channels = 2", "channels = 2\nmost_registers = 126", "modbus.most_registers", "must be 1 to 125"),
    ("channels = 2", "channels = 2\ngap_ms = nan", "modbus.gap_ms", "must be 0 to"),
    ("channels = 2", "channels = 2\nreply_within_ms = 0", "modbus.reply_within_ms", "must be 1 to"),
    ("channels = 2", "channels = 2\nserial = { baud = 1 }", "modbus.serial.baud", "must be 300"),
    ("within_s = 5", "within_s = 0", "modbus.heartbeat.within_s", "must be positive"),
    ("within_s = 5", "within_s = inf", "modbus.heartbeat.within_s", "must be positive and finite"),
    ('heartbeat = { field = "state"', 'heartbeat = { field = "pulse"', "modbus.heartbeat.field", "no field 'pulse'"),
    ('heartbeat = { field = "state"', 'heartbeat = { field = "label"', "modbus.heartbeat.field", "is text"),
    (
        "channels = 2",
        "channels = 2\nreadable = [{ first = 40001, last = 40007 }]",
        "modbus",
        "outside the readable spans",
    ),
    # fields
    ('"places"', '"Places"', "modbus.field[1].name", "must be 1 to 40 of a-z"),
    ('name = "full"', 'name = "gas"', "modbus.field[4].name", "there twice"),
    ('"label"', '"fault"', "modbus.field[3].name", "means something else"),
    ("at = 40003", "at = 20003", "modbus.field[1].at", "no modicon address"),
    ("at = 40003", "at = 3", "modbus.field[1].type", "u16 cannot be in coil"),
    ("at = 40001, type", "at = 465536, type", "modbus.field[0].at", "beyond 65535"),
    ("stride = 10", "stride = -1", "modbus.field[0].stride", "0 or more"),
    ("words = 2", "words = 0", "modbus.field[3].words", "ascii needs 1 to 32"),
    ("words = 2", 'words = 2, byte = "low"', "modbus.field[3].byte", "text has none"),
    ('byte = "low"', "words = 2", "modbus.field[1].words", "only for ascii"),
    ('type = "u32"', 'type = "u32", byte = "low"', "modbus.field[4].byte", "only a 16-bit word has halves"),
    ("[0, 3]", "[3, 0]", "modbus.field[2].bits", "the first not above the last"),
    ("[0, 3]", "[0, 16]", "modbus.field[2].bits", "within 0 to 15"),
    ("[0, 3]", "[0, 4], type = 'bcd16'", "modbus.field[2].bits", "four bits each"),
    (GAS, GAS + ", bits = [0, 3]", "modbus.field[0].bits", "cannot be cut"),
    (GAS, GAS.replace("combustible_lel", "smell"), "modbus.field[0].quantity", "'smell' is not one of combustible_lel"),
    ('byte = "low"', 'quantity = "combustible_lel"', "modbus.field[1].quantity", "is field 'gas' already"),
    (GAS, GAS + ", scale = 0", "modbus.field[0].scale", "other than 0"),
    (GAS, GAS + ", offset = inf", "modbus.field[0].offset", "must be a number"),
    (GAS, GAS + ", valid = [5, 5]", "modbus.field[0].valid", "below the second"),
    (GAS, GAS + ", ramp = { raw = [4, 4], value = [0, 100] }", "modbus.field[0].ramp", "two different raw numbers"),
    (GAS, GAS + ", ramp = { raw = [4, 5], value = [7, 7] }", "modbus.field[0].ramp", "two different values"),
    (GAS, GAS + ", scale = 2, ramp = { raw = [4, 5], value = [0, 1] }", "modbus.field[0].ramp", "instead of scale"),
    (GAS, GAS + ', decimals = "plates"', "modbus.field[0].decimals", "no field 'plates'"),
    (GAS, GAS + ', decimals = "label"', "modbus.field[0].decimals", "must be an integer, not ascii"),
    (GAS, GAS + ', sign = "gas"', "modbus.field[0].sign", "of itself"),
    (GAS, GAS + ", full_scale = 0", "modbus.field[0].full_scale", "above 0"),
    (GAS, GAS + ', full_scale = "fool"', "modbus.field[0].full_scale", "no field 'fool'"),
    (GAS, GAS + ', full_scale = "label"', "modbus.field[0].full_scale", "a number of its own"),
    (GAS, GAS + ', unit = { field = "u", codes = [{ code = 1 }] }', "modbus.field[0].unit.field", "no field 'u'"),
    (GAS, GAS + ', unit = { field = "state", codes = [] }', "modbus.field[0].unit.codes", "at least one"),
    (
        GAS,
        GAS + ', unit = { field = "state", codes = [{ code = 1 }, { code = 1 }] }',
        "modbus.field[0].unit.codes",
        "each once",
    ),
    ("at = 40007, type", "at = 40006, type", "modbus.field", "'label' and 'full' overlap in part"),
    # conditions
    ('flag = "fault"', 'flag = "late"', "modbus.flag[0].flag", "'late' is not one of low_alarm"),
    ('flag = "fault"', 'flag = "backfill"', "modbus.flag[0].flag", "what is polled is live"),
    ('[{ field = "state", bit = 0 }]', "[]", "modbus.flag[0].when", "at least one condition"),
    ("bit = 0", "bit = 0, above = 1", "modbus.flag[0].when[0]", "exactly one of"),
    (", bit = 0 }", " }", "modbus.flag[0].when[0]", "exactly one of"),
    ("bit = 0", "bit = 4", "modbus.flag[0].when[0].bit", "bits 0 to 3"),
    ('"state", bit = 0', '"gas", bit = 0', "modbus.flag[0].when[0].bit", "has no bits"),
    ('"state", bit = 0', '"label", bit = 0', "modbus.flag[0].when[0].field", "is text"),
    ('"state", bit = 0', '"stat", bit = 0', "modbus.flag[0].when[0].field", "no field 'stat'"),
    ("one_of = [2]", "one_of = [2], set = false", "modbus.quality[0].when[0].set", "only for bit"),
    ("one_of = [2]", "one_of = [16]", "modbus.quality[0].when[0].one_of", "16 cannot be in field 'state' (0 to 15)"),
    ("one_of = [2]", "above = 15", "modbus.quality[0].when[0].above", "is 0 to 15"),
    ("one_of = [2]", "below = 0", "modbus.quality[0].when[0].below", "is 0 to 15"),
    (
        '"warm_up", when',
        '"warm_up", of = ["co_ppm"], when',
        "modbus.quality[0].of",
        "no field is the quantity 'co_ppm'",
    ),
    ('"no such device" }]', '" " }]', "modbus.check[0].reason", "is empty"),
    # the model around the map
    ("report_interval_s = 10", "report_interval_s = 10\nmeasures = ['co_ppm']", "measures", "co_ppm, combustible_lel"),
    (
        "report_interval_s = 10",
        "report_interval_s = 10\nranges = { co_ppm = [0, 1] }",
        "ranges.co_ppm",
        "is not measured",
    ),
    (
        "report_interval_s = 10",
        "report_interval_s = 10\nranges = { combustible_lel = [9, 1] }",
        "ranges.combustible_lel",
        "below the highest",
    ),
    ("report_interval_s = 10", "report_interval_s = 0", "report_interval_s", "must be positive"),
    ('"detector"', '"gateway"', "modbus", "a gateway has no registers"),
    ('"detector"', '"shut_off_valve"', "actuator", "must declare its [actuator]"),
    ('"detector"', '"shut_off_valve"', "modbus.command", "must say how it is closed"),
    # examples
    ('refused = "no such device"', "expect = { combustible_lel = 1.0 }", "modbus.example", "at least one bad one"),
    ("expect = { combustible_lel = 40.0 }", "refused = 'x'", "modbus.example", "what good registers mean"),
    (
        'refused = "no such',
        'expect = { fault = true }\nrefused = "no such',
        "modbus.example[1].expect",
        "either expect or",
    ),
    ("combustible_lel = 40.0", "co_ppm = 40.0", "modbus.example[0].expect.co_ppm", "is no quantity of this map"),
    ("combustible_lel = 40.0", "combustible_lel = 'odd'", "modbus.example[0].expect.combustible_lel", "not_measured"),
    ("lel = 40.0", "lel = 40.0, fault = 1", "modbus.example[0].expect.fault", "true or false"),
    ("lel = 40.0", "lel = 40.0, valve = 'shut'", "modbus.example[0].expect.valve", "one of unknown, open"),
    ('title = "good"', 'title = "good"\nchannel = 3', "modbus.example[0].channel", "must be 1 to 2"),
    ("words = [9]", "words = [65536]", "modbus.example[1].registers[0].words", "0 to 65535"),
    ("at = 40003, words", "at = 0, words", "modbus.example[1].registers[0].at", "no modicon address"),
]

VALVE_FAULTS = [
    ('"closed", when', '"open", when', "modbus.valve", 'no entry says when it is "closed"'),
    ("bit = 0 }], cause", "bit = 0, set = false }], cause", "modbus.valve[0]", "all 0 would read as closed"),
    ('cause = "remote" }]', 'cause = "whim" }]', "modbus.valve[0].cause", "'whim' is not one of"),
    (
        '"shut_off_valve"',
        '"detector"',
        "modbus.command",
        "only a shut_off_valve, and a fan with an",
    ),
    ('"close"', '"fan_on"', "modbus.command", "must say how it is closed"),
    ('"close"', '"open"', "modbus.command[0].verb", "'open' is not one of"),
    ('"one_shot"', '"latched"', "modbus.command[0].style", "neither pulse_ms nor release"),
    ("release = [{ function = 5, at = 3, values = [0] }]", "", "modbus.command[0].release", "how the pulse ends"),
    ("pulse_ms = 500", "", "modbus.command[0].pulse_ms", "above 0"),
    ("pulse_ms = 500", "pulse_ms = 5001", "modbus.command[0].pulse_ms", "at most 5000"),
    ("values = [0] }]", "values = [0], pause_ms = 4501 }]", "modbus.command[0].pulse_ms", "with the pauses of release"),
    ("function = 16", "function = 6", "modbus.command[0].write[0].at", "function 6 takes one value"),
    ("function = 16", "function = 22", "modbus.command[0].write[0].function", "22 is not one of 5, 6, 15, 16"),
    ("values = [1, 2]", "values = [65536]", "modbus.command[0].write[0].at", "0 to 65535"),
    ("values = [0] }]", "values = [255] }]", "modbus.command[0].release[0].at", "0 to 1"),
    ("at = 90", "at = 65535", "modbus.command[0].write[0].at", "beyond wire address 65535"),
    ("at = 90", "at = 90, pause_ms = -1", "modbus.command[0].write[0].pause_ms", "must be 0 to"),
    ("bit = 0, set = false", "bit = 1", "modbus.command[0].write[0].then[0].bit", "bits 0 to 0"),
    ("confirm_within_s = 60", "confirm_within_s = 0", "actuator.confirm_within_s", "must be positive"),
    ("confirm_within_s = 60", "confirm_within_s = 1e18", "actuator.confirm_within_s", "to 366 days"),
    ("confirm_within_s = 60", 'reachability = "wakes"', "actuator.wake_interval_s", "must be positive"),
    (
        "within_s = 60",
        'within_s = 60, reachability = "wakes", wake_interval_s = 61',
        "actuator.confirm_within_s",
        "heard",
    ),
    (
        "within_s = 60",
        "within_s = 60, wake_interval_s = 5",
        "actuator.wake_interval_s",
        'only for reachability = "wakes"',
    ),
    ('valve = "unknown"', 'valve = "closed"', "modbus.example", "at least one bad one"),
]


@pytest.mark.parametrize(
    ("text", "old", "new", "key", "reason"),
    [(DETECTOR, *fault) for fault in DETECTOR_FAULTS] + [(VALVE, *fault) for fault in VALVE_FAULTS],
)
def test_a_fault_is_named_with_file_key_and_reason(
    tmp_path: Path, text: str, old: str, new: str, key: str, reason: str
) -> None:
    assert old in text
    with pytest.raises(ValueError, match=r"mine\.toml: ") as wrong:
        load(tmp_path, text.replace(old, new, 1))
    lines = str(wrong.value).splitlines()
    assert any(line.startswith(f"{tmp_path / 'mine.toml'}: {key}: ") and reason in line for line in lines), lines


def test_a_second_command_of_a_verb_is_refused(tmp_path: Path) -> None:
    again = VALVE.replace("[[modbus.example]]", "[[modbus.command]]\n" + VALVE.split("[[modbus.command]]\n")[1], 1)
    start = again.index("[[modbus.command]]")
    command = again[start : again.index("[[modbus.command]]", start + 1)]
    with pytest.raises(ValueError, match=r"modbus\.command\[1\]\.verb: 'close' is there twice"):
        load(tmp_path, VALVE.replace(command, command + command))


def test_all_faults_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    text = DETECTOR.replace('"places"', '"Places"').replace("bit = 0", "bit = 9").replace("= 10\n", "= -1\n", 1)
    with pytest.raises(ValueError, match="mine") as wrong:
        load(tmp_path, text)
    keys = [line.split(": ")[1] for line in str(wrong.value).splitlines()]
    assert {"report_interval_s", "modbus.field[1].name", "modbus.flag[0].when[0].bit"} <= {*keys}


def test_a_mistake_of_type_does_not_hide_those_in_other_tables(tmp_path: Path) -> None:
    text = DETECTOR.replace("at = 40003,", "at = 'x',", 1).replace("bits = [0, 3]", "bitz = 1")
    text = text.replace("within_s = 5", "within_s = 'x'").replace("= 10\n", "= 'x'\n", 1)
    with pytest.raises(ValueError, match="mine") as wrong:
        load(tmp_path, text)
    keys = [line.split(": ")[1] for line in str(wrong.value).splitlines()]
    assert keys == ["modbus.field[1].at", "modbus.field[2].bitz", "modbus.heartbeat.within_s", "report_interval_s"]


def test_a_word_that_is_none_of_those_allowed_is_named_with_them(tmp_path: Path) -> None:
    text = DETECTOR.replace('type = "f32"', 'type = "u17"', 1)
    assert text != DETECTOR
    with pytest.raises(
        ValueError, match=r"modbus\.field\[\d\]\.type: 'u17' is not one of bit, u16, s16, u32, s32, f32,"
    ):
        load(tmp_path, text)


def test_a_map_says_itself_what_the_model_measures(tmp_path: Path) -> None:
    assert load(tmp_path, DETECTOR).measures == ("combustible_lel",)
    assert load(tmp_path, VALVE).measures == ()


def test_models_of_another_folder_join_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "acme_one.toml").write_text(DETECTOR, "utf-8")
    keys = [model.key for model in load_catalogue(tmp_path)]
    assert keys == [*(model.key for model in load_catalogue()), "acme_one"]


def test_a_key_that_is_taken_and_every_wrong_file_of_a_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "sim_gateway.toml").write_text(DETECTOR, "utf-8")
    (tmp_path / "one.toml").write_text("x", "utf-8")
    (tmp_path / "two.toml").write_text(VALVE.replace('"close"', '"slam"'), "utf-8")
    with pytest.raises(ValueError, match="sim_gateway is the model of") as wrong:
        load_catalogue(tmp_path)
    assert f"{tmp_path / 'one.toml'}: " in str(wrong.value)
    assert f"{tmp_path / 'two.toml'}: modbus.command[0].verb: " in str(wrong.value)


def test_what_is_no_file_is_named_with_its_folder_and_the_other_files_are_still_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a_folder.toml").mkdir()
    (tmp_path / "dangling.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "one.toml").write_text("x", "utf-8")
    with pytest.raises(ValueError, match="is no file that can be read") as wrong:
        load_catalogue(tmp_path)
    folder, dangling, one = str(wrong.value).splitlines()
    assert (
        folder == f"{tmp_path / 'a_folder.toml'}: is no file that can be read: Is a directory; take it away or mend it"
    )
    assert dangling.startswith(f"{tmp_path / 'dangling.toml'}: is no file that can be read: No such file or directory")
    assert one.startswith(f"{tmp_path / 'one.toml'}: ")


@given(st.data())
def test_a_map_without_faults_can_be_planned_compiled_and_commanded(data: st.DataObject) -> None:
    """Whole lines of real files left out or doubled: what still loads must work (K1)."""
    model = data.draw(st.sampled_from(ON_A_BUS))
    lines = (BUILT_IN / f"{model.key}.toml").read_text("utf-8").splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at : at + 1] = data.draw(st.sampled_from([[], [lines[at]] * 2]))
    try:
        altered = load_text("\n".join(lines))
    except ValueError:
        return
    chart = altered.modbus
    if chart is not None:
        compile_map(altered)
        for channel in {1, chart.channels}:
            plan_reads(chart, (channel,))
            procedure(chart, "close", channel)
        run_examples(altered)


def load_text(text: str) -> DeviceModel:
    with tempfile.TemporaryDirectory() as folder:
        return load(Path(folder), text)
