"""The shipped catalogue: what its files promise, and that together they use every habit of real register maps."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import compile_map, decode_frames
from devices.models import DeviceKind, DeviceModel, load_catalogue
from devices.quantities import GAS_QUANTITIES, QUANTITIES, Quality, ValvePosition, quality_shift
from devices.register_examples import run_examples
from devices.register_map import Field, Notation, RegisterMap, Space, Term
from devices.registers import layout, plan_reads, procedure, wire_address

CATALOGUE = load_catalogue()
ON_A_BUS = [model for model in CATALOGUE if model.modbus is not None]
MADE_BY_US = ("davysim", "modbus", "mqtt")
REAL = [model for model in ON_A_BUS if model.vendor not in MADE_BY_US]
#: The standards that the domain notes name, and no others.
STANDARDS = {
    "GB 15322.1-2019",
    "GB 15322.2-2019",
    "GB 44016-2024",
    "CJ/T 447-2014",
    "IEC 60079-29-1",
    "EN 45544-1",
}
#: %vol that is 100 %LEL: (ISO 10156, IEC 60079-20-1).
LEL_BASES = {"CH4": {5.0, 4.4}, "C3H8": {2.1, 1.7}}

#: No state, type or unit register of theirs is known; their files say what that means.
NOTHING_BUT_VALUES = {
    "draeger_polytron_8000_co",
    "fukaite_rs485_co",
    "jxct_jxbs_3001_co",
    "pemtech_pt2008_combustible",
}


def key_of(model: DeviceModel) -> str:
    return model.key


def chart_of(model: DeviceModel) -> RegisterMap:
    assert model.modbus is not None
    return model.modbus


def terms(chart: RegisterMap) -> list[Term]:
    said = [*chart.flag, *chart.quality, *chart.valve, *chart.check]
    return [term for entry in said for term in entry.when]


def field_named(chart: RegisterMap, name: str) -> Field:
    return next(field for field in chart.field if field.name == name)


def test_the_catalogue_ships_at_least_fifteen_real_models_of_many_makers() -> None:
    assert len(REAL) >= 15
    assert len({model.vendor for model in REAL}) >= 10


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_every_golden_example_of_a_map_means_what_its_file_says(model: DeviceModel) -> None:
    assert run_examples(model) == []


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_every_map_has_two_good_examples_and_a_bad_one(model: DeviceModel) -> None:
    words = {"not_measured", "out_of_range", "sensor_fault", "warm_up", "inhibited", "stale", "sentinel"}
    bad = [
        example
        for example in chart_of(model).example
        if example.refused or words & {str(said) for said in example.expect.values()} or is_no_position(example.expect)
    ]
    assert len(bad) >= 1
    assert len(chart_of(model).example) - len(bad) >= 2


def is_no_position(expect: dict[str, float | int | str | bool]) -> bool:
    return expect.get("valve") in ("fault", "unknown")


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_a_map_with_channels_has_an_example_beyond_its_first(model: DeviceModel) -> None:
    """An example for channel 1 alone would not notice a wrong stride."""
    chart = chart_of(model)
    if chart.channels > 1:
        assert {example.channel for example in chart.example} - {1}


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_every_flag_quality_and_position_that_a_map_declares_occurs_in_an_example(model: DeviceModel) -> None:
    chart = chart_of(model)
    shown = {name for example in chart.example for name, said in example.expect.items() if said is True}
    shown |= {said for example in chart.example for said in example.expect.values() if isinstance(said, str)}
    declared = {flag.flag for flag in chart.flag} | {entry.quality for entry in chart.quality}
    assert declared | {entry.position for entry in chart.valve} <= shown


@pytest.mark.parametrize("model", CATALOGUE, ids=key_of)
def test_every_model_names_its_source_and_its_tier(model: DeviceModel) -> None:
    assert len(model.source) >= 10
    assert model.tier is not None or model.kind is DeviceKind.GATEWAY
    assert re.fullmatch(r"[a-z0-9_]+", model.key)


@pytest.mark.parametrize("model", REAL, ids=key_of)
def test_every_second_hand_model_is_marked_as_not_verified_and_says_so_in_its_source(model: DeviceModel) -> None:
    assert model.verified is False
    assert "not tried" in model.source or "verify on hardware" in model.source


@pytest.mark.parametrize("model", CATALOGUE, ids=key_of)
def test_a_combustible_model_names_its_gas_and_a_known_lel_basis(model: DeviceModel) -> None:
    if "combustible_lel" in model.measures and model.kind is DeviceKind.DETECTOR:
        assert model.lel_percent_vol in LEL_BASES[model.gas]


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_a_volume_percentage_is_converted_on_the_models_own_basis(model: DeviceModel) -> None:
    """Of the scales a map multiplies %vol and ppm by, each is 100 / basis to the power of ten its unit needs."""
    allowed = {1.0, 0.1}
    if model.lel_percent_vol is not None:
        per_vol = 100.0 / model.lel_percent_vol
        allowed |= {per_vol, per_vol / 10_000}
    for field in chart_of(model).field:
        if field.quantity == "combustible_lel":
            scales = [field.scale, *(code.scale for code in field.unit.codes)] if field.unit else [field.scale]
            assert all(any(scale == pytest.approx(right, rel=1e-12) for right in allowed) for scale in scales)


@pytest.mark.parametrize("model", CATALOGUE, ids=key_of)
def test_certificates_are_standards_that_we_can_cite(model: DeviceModel) -> None:
    assert set(model.certificates) <= STANDARDS


@pytest.mark.parametrize("model", CATALOGUE, ids=key_of)
def test_ranges_are_of_what_is_measured_and_not_of_what_nothing_can_be(model: DeviceModel) -> None:
    possible = {quantity.name: quantity for quantity in QUANTITIES}
    for name, (lowest, highest) in model.ranges.items():
        assert name in model.measures
        assert lowest < highest <= possible[name].highest


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_a_map_measures_what_its_model_says_it_measures(model: DeviceModel) -> None:
    assert {field.quantity for field in chart_of(model).field if field.quantity} == set(model.measures)


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_zeros_for_registers_nobody_has_are_never_a_good_gas_value_or_a_closed_valve(model: DeviceModel) -> None:
    """Unless the map has nothing but values: then its file says that a zero cannot be told from clean air."""
    chart = chart_of(model)
    zeros = np.zeros(layout(chart).words, np.uint16).astype(">u2").tobytes()
    decoder = compile_map(model)
    decoded = decode_frames([encode_frame(FrameState.FRESH, 1, zeros)], np.zeros(1, np.int32), [decoder])
    if len(decoded.rows) == 0:
        return
    row = decoded.rows[0]
    assert row["valve"] != ValvePosition.CLOSED
    good = [
        name
        for name in model.measures
        if Quality(int(row["quality"]) >> quality_shift(name) & 0xF) is Quality.GOOD and name in GAS_QUANTITIES
    ]
    if good:
        assert model.key in NOTHING_BUT_VALUES


@pytest.mark.parametrize("model", ON_A_BUS, ids=key_of)
def test_no_command_opens_anything_and_only_valves_take_one(model: DeviceModel) -> None:
    chart = chart_of(model)
    verbs = [command.verb for command in chart.command]
    assert set(verbs) <= {"close", "fan_on"}
    if model.kind is DeviceKind.SHUT_OFF_VALVE:
        assert verbs.count("close") == 1
        assert model.valve is not None
        assert any(entry.position == "closed" for entry in chart.valve)
    else:
        assert not verbs


def test_the_commands_of_the_catalogue_write_exactly_this_and_nothing_else() -> None:
    """Spelled out: a change here is a change of what goes to a valve."""
    written = {
        model.key: [(write.function, write.at, write.values) for write in (*done.write, *done.release)]
        for model in ON_A_BUS
        if (done := procedure(chart_of(model), "close")) is not None
    }
    assert written == {
        "rotork_iq_valve": [(5, 1, (1,))],
        "sim_modbus_valve_latched": [(15, 0, (1, 0))],
        "sim_modbus_valve_one_shot": [(16, 10, (0x4C41, 0x4D50)), (6, 13, (1,)), (6, 13, (0,))],
    }


def test_a_rotork_is_confirmed_by_its_limit_switch_and_never_by_the_position_it_was_asked_for() -> None:
    chart = chart_of(next(model for model in ON_A_BUS if model.key == "rotork_iq_valve"))
    read = {wire_address(chart, field.at, field.space) for field in chart.field}
    assert (Space.INPUT, 0) in read
    assert all(address != 6 for _, address in read)
    closed = next(entry for entry in chart.valve if entry.position == "closed")
    assert closed.when == (Term(field="status", bit=1),)


def test_the_base_of_an_ultima_x_is_part_of_its_address() -> None:
    chart = chart_of(next(model for model in ON_A_BUS if model.key == "msa_ultima_x_methane"))
    first, second = plan_reads(chart, (1,), base=40_000).reads
    assert (first.first, first.count) == (40_001, 1)
    assert (second.first, second.first + second.count) == (40_201, 40_214)


def flags_of(chart: RegisterMap, *names: str) -> set[str]:
    return {term.field for entry in chart.flag if entry.flag in names for term in entry.when}


def has_both_orders(charts: list[RegisterMap]) -> bool:
    """CDAB, BADC and DCBA, each somewhere, beside ABCD everywhere else."""
    seen = {
        (field.byte_order or chart.byte_order, field.word_order or chart.word_order)
        for chart in charts
        for field in chart.field
    }
    return {("big", "big"), ("big", "little"), ("little", "big"), ("little", "little")} <= seen


def has_mode_dependent_bits(chart: RegisterMap) -> bool:
    """A condition that takes two bits of one field: the first decides what the second means."""
    return any(
        len({term.bit for term in entry.when if term.bit is not None and term.field == entry.when[0].field}) >= 2
        for entry in chart.flag
    )


def writes(charts: list[RegisterMap]) -> set[int]:
    return {
        write.function for chart in charts for command in chart.command for write in (*command.write, *command.release)
    }


#: The 14 quirks of real register maps, each as what the shipped maps must show of it.
QUIRKS: dict[str, Callable[[list[RegisterMap]], bool]] = {
    "1 address notations and bases": lambda charts: (
        {chart.notation for chart in charts} == set(Notation)
        and any(chart.base for chart in charts)
        and any(field.at >= 400_000 for chart in charts for field in chart.field)
    ),
    "2 holding and input registers in one map": lambda charts: any(
        {Space.HOLDING, Space.INPUT} <= {wire_address(chart, field.at, field.space)[0] for field in chart.field}
        for chart in charts
    ),
    "3 types, halves, nibbles, text and digits": lambda charts: (
        {field.type for chart in charts for field in chart.field}
        >= {"bit", "u16", "s16", "u32", "f32", "bcd16", "ascii"}
        and {field.byte for chart in charts for field in chart.field} == {None, "high", "low"}
        and any(field.byte and field.bits for chart in charts for field in chart.field)
    ),
    "4 word and byte order by themselves": has_both_orders,
    "5 scaling in all its ways": lambda charts: all(
        any(says(field) for chart in charts for field in chart.field) for says in SCALINGS
    ),
    "6 unit codes of each vendor's own": lambda charts: (
        len({field.unit.codes for chart in charts for field in chart.field if field.unit}) >= 4
    ),
    "7 polarity, bits that move between siblings, and bits that depend on others": lambda charts: (
        any(not term.set for chart in charts for term in terms(chart)) and any(map(has_mode_dependent_bits, charts))
    ),
    "8 quality from state": lambda charts: (
        {entry.quality for chart in charts for entry in chart.quality}
        >= {"warm_up", "inhibited", "sensor_fault", "stale", "not_measured", "out_of_range"}
    ),
    "9 the live alarm register where a latched one stands beside it": lambda charts: any(
        {field_named(chart, name).at for name in flags_of(chart, "low_alarm")} == {30014} for chart in charts
    ),
    "10 arrays of structures and structures of arrays": lambda charts: (
        any(shares_one_stride(chart) for chart in charts) and any(has_strides_of_its_own(chart) for chart in charts)
    ),
    "11 freshness and heartbeat": lambda charts: (
        any(chart.heartbeat for chart in charts)
        and any(term.field == "age_s" for chart in charts for entry in chart.quality for term in entry.when)
    ),
    "12 gaps and parity": lambda charts: (
        any(chart.gap_ms >= 500 for chart in charts)
        and {chart.serial.parity for chart in charts if chart.serial} >= {"none", "even"}
    ),
    "13 every way to write, unlocking, one shot and latched": lambda charts: (
        writes(charts) == {5, 6, 15, 16}
        and {command.style for chart in charts for command in chart.command} == {"latched", "one_shot"}
        and any(write.then for chart in charts for command in chart.command for write in command.write)
    ),
    "14 zeros for registers nobody has": lambda charts: sum(bool(chart.check) for chart in charts) >= 10,
}
SCALINGS: tuple[Callable[[Field], bool], ...] = (
    lambda field: field.scale not in (0.0, 1.0),
    lambda field: bool(field.decimals),
    lambda field: bool(field.sign),
    lambda field: isinstance(field.full_scale, str),
    lambda field: field.ramp is not None and field.ramp.raw == (800, 4000),
    lambda field: field.offset != 0.0,
    lambda field: field.type == "f32" and field.name.endswith("_mv"),
)


def shares_one_stride(chart: RegisterMap) -> bool:
    return chart.channels > 1 and len({field.stride for field in chart.field} - {0}) == 1 and chart.field[-1].stride > 1


def has_strides_of_its_own(chart: RegisterMap) -> bool:
    return len({field.stride for field in chart.field} - {0}) >= 2


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda name: name.split(" ")[0])
def test_each_quirk_of_real_maps_is_used_by_a_shipped_file(quirk: str) -> None:
    assert QUIRKS[quirk]([chart_of(model) for model in ON_A_BUS]), quirk


def test_a_bit_that_moved_between_siblings_is_where_each_manual_says() -> None:
    """Quirk 7: fault is bit 5 on an XCD and bit 6 on an XNX."""
    found = {}
    for model in ON_A_BUS:
        if model.key in ("honeywell_xcd_methane", "honeywell_xnx_methane"):
            chart = chart_of(model)
            found[model.key] = {t.bit for e in chart.flag if e.flag == "fault" for t in e.when if t.bit is not None}
    assert found == {"honeywell_xcd_methane": {5}, "honeywell_xnx_methane": {6}}
