"""What the simulators' encoder writes, the planner and the decoder read back: two implementations of one format's words
that share no code."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import FrameDecoder, compile_map, decode_frames
from devices.models import DeviceKind, DeviceModel, load_catalogue
from devices.quantities import (
    DEVICE_FLAGS,
    GAS_QUANTITIES,
    QUANTITIES,
    QUANTITY_NAMES,
    Flag,
    Quality,
    ValvePosition,
    quality_shift,
)
from devices.readings import Rows
from devices.register_map import Field, Notation, Ramp, RegisterMap, Space, UnitCode
from devices.register_map import Unit as UnitBy
from devices.registers import plan_reads
from simulators.modbus.choosing import CannotSay
from simulators.modbus.demands import flags_of, measured, states_of
from simulators.modbus.encoding import Pen, Written
from simulators.modbus.truth import FLAG_OF_STATE, Truth
from simulators.modbus.unit import Point, Unit

MAPPED = {model.key: model for model in load_catalogue() if model.modbus is not None}
DECODERS: dict[str, FrameDecoder] = {key: compile_map(model) for key, model in MAPPED.items()}
STATES = tuple(FLAG_OF_STATE.values())


@dataclass
class Read:
    """One decoded reading. `refused`: why it is none."""

    rows: Rows
    extra: tuple[tuple[int, bytes], ...]
    refused: tuple[str, ...]

    def quality(self, quantity: str) -> Quality:
        return Quality(int(self.rows["quality"][0]) >> quality_shift(quantity) & 0xF)

    @property
    def flags(self) -> set[str]:
        return {flag.name.lower() for flag in DEVICE_FLAGS if flag.name and int(self.rows["flags"][0]) & flag}


def read(unit: Unit, point: Point, decoder: FrameDecoder | None = None) -> Read:
    """Poll one point as the platform does: the planner's requests, answered by the unit byte for byte."""
    chart = point.model.modbus
    assert chart is not None
    functions = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
    plan = plan_reads(chart, (point.channel,), point.base)
    words: list[int] = []
    for request in plan.reads:
        pdu = bytes((functions[request.space],)) + request.first.to_bytes(2) + request.count.to_bytes(2)
        reply = unit.answer(pdu, 0.0)
        assert reply[0] == pdu[0], f"{request} was refused: {reply.hex()}"
        if request.space in ("coil", "discrete"):
            words += [reply[2 + at // 8] >> at % 8 & 1 for at in range(request.count)]
        else:
            words += np.frombuffer(reply[2:], ">u2").tolist()
    frame = encode_frame(FrameState.FRESH, 1, plan.frame(np.array(words, np.uint16), point.channel))
    decoded = decode_frames([frame], np.zeros(1, np.int32), [decoder or DECODERS[point.model.key]])
    return Read(decoded.rows, decoded.extra, tuple(refused.reason for refused in decoded.refused))


def said(model: DeviceModel, truth: Truth, channel: int = 1, base: int = 0) -> tuple[Read, Written]:
    point = Point(model, channel, base, truth)
    return read(Unit(1, [point]), point), Pen(model, channel, base).write(truth)


def expected_quality(model: DeviceModel, truth: Truth, quantity: str) -> str:
    """The quality word a decoder should come to: what the truth doubts, where the map has a way to say it of this
    quantity."""
    chart = model.modbus
    assert chart is not None
    if quantity in truth.doubts:
        return truth.doubts[quantity]
    if not truth.state:
        return "good"
    by_entry = any(e.quality == truth.state and (not e.of or quantity in e.of) for e in chart.quality)
    by_flag = quantity in GAS_QUANTITIES and FLAG_OF_STATE.get(truth.state) in flags_of(chart)
    return truth.state if by_entry or by_flag else "good"


def agrees(model: DeviceModel, truth: Truth, got: Read, written: Written) -> None:
    chart = model.modbus
    assert chart is not None
    assert got.refused == ()
    wholly_stale = bool(measured(chart)) and all(
        expected_quality(model, truth, quantity) == "stale" for quantity in measured(chart)
    )
    assert bool(int(got.rows["flags"][0]) & Flag.STALE) == wholly_stale
    state_flag = FLAG_OF_STATE.get(truth.state, "")
    assert got.flags == {*truth.flags} | ({state_flag} & flags_of(chart))
    position = ValvePosition[truth.valve.upper()] if truth.valve and not wholly_stale else ValvePosition.UNKNOWN
    assert got.rows["valve"][0] == position
    for quantity in measured(chart):
        word = expected_quality(model, truth, quantity)
        assert got.quality(quantity).name.lower() == word
        if word == "good":
            value = truth.values.get(quantity, 0.0)
            step = written.steps[quantity]
            assert abs(float(got.rows[quantity][0]) - value) <= step / 2 + 1e-6 * max(1.0, abs(value))


def number_32(lowest: float, highest: float) -> st.SearchStrategy[float]:
    """No device shows next to nothing, in whatever unit; a decoder takes it for words that were exchanged."""
    return st.floats(lowest, highest, width=32).map(lambda number: number if abs(number) > 1e-3 else 0.0)


def shown(field: Field, model: DeviceModel) -> st.SearchStrategy[float]:
    """Values that the quantity can have and the field can hold."""
    at = QUANTITY_NAMES.index(field.quantity)
    lowest, highest = QUANTITIES[at].lowest, QUANTITIES[at].highest
    if field.quantity in model.ranges:
        low, high = model.ranges[field.quantity]
        lowest, highest = max(lowest, low), min(highest, high)
    return number_32(lowest, highest)


@st.composite
def truths(draw: st.DrawFn, model: DeviceModel) -> Truth:
    chart = model.modbus
    assert chart is not None
    values = {field.quantity: draw(shown(field, model)) for field in chart.field if field.quantity}
    flags = draw(st.sets(st.sampled_from(sorted(flags_of(chart) - {*STATES}) or [""]))) - {""}
    state = draw(st.sampled_from(["", "", *sorted(states_of(chart))]))
    valve = draw(st.sampled_from([entry.position for entry in chart.valve])) if chart.valve else ""
    settings: dict[str, float] = {}
    for field in chart.field:
        if field.unit is not None and draw(st.booleans()):
            settings[field.unit.field] = draw(st.sampled_from([unit.code for unit in field.unit.codes]))
        if field.decimals and draw(st.booleans()):
            settings[field.decimals] = draw(st.integers(0, 4))
    return Truth(values=values, flags=frozenset(flags), state=state, valve=valve, settings=settings)


@pytest.mark.parametrize("key", sorted(MAPPED))
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_a_device_says_is_read_as_it_was_meant(key: str, data: st.DataObject) -> None:
    model = MAPPED[key]
    assert model.modbus is not None
    truth = data.draw(truths(model))
    channel = data.draw(st.integers(1, model.modbus.channels))
    base = data.draw(st.sampled_from([0, 0, 7]))
    try:
        got, written = said(model, truth, channel, base)
    except CannotSay:
        assume(False)
    agrees(model, truth, got, written)


@pytest.mark.parametrize("key", sorted(MAPPED))
def test_each_flag_state_and_position_of_a_map_can_be_said(key: str) -> None:
    model = MAPPED[key]
    chart = model.modbus
    assert chart is not None
    positions = sorted({entry.position for entry in chart.valve}) or [""]
    for truth in [
        *(Truth(valve=position) for position in positions),
        *(Truth(valve=positions[0], state=state) for state in states_of(chart)),
    ]:
        agrees(model, truth, *said(model, truth))
    for flag in flags_of(chart) - {*STATES}:
        # Some flags come with a state only, or with a doubt that has no flag of its own: a device that tests itself
        # measures nothing.
        alone = Truth(flags=frozenset({flag}), valve=positions[0])
        with_state = (msgspec.structs.replace(alone, state=state) for state in states_of(chart))
        with_doubt = (
            msgspec.structs.replace(alone, doubts=dict.fromkeys(measured(chart), word)) for word in states_of(chart)
        )
        assert any(can_be_said(model, truth) for truth in (alone, *with_state, *with_doubt)), flag


def can_be_said(model: DeviceModel, truth: Truth) -> bool:
    try:
        agrees(model, truth, *said(model, truth))
    except CannotSay:
        return False
    return True


MANY_CHANNELS = sorted(key for key, model in MAPPED.items() if model.modbus and model.modbus.channels > 1)


@pytest.mark.parametrize("key", MANY_CHANNELS)
def test_the_channels_of_one_unit_say_each_its_own(key: str) -> None:
    model = MAPPED[key]
    assert model.modbus is not None
    gas = next(field.quantity for field in model.modbus.field if field.quantity in GAS_QUANTITIES)
    many = min(model.modbus.channels, 40)
    truths = [Truth(values={gas: 2.0 + channel}) for channel in range(1, many + 1)]
    points = [Point(model, channel, truth=truth) for channel, truth in enumerate(truths, 1)]
    unit = Unit(1, points)
    for point, truth in zip(points, truths, strict=True):
        agrees(model, truth, read(unit, point), Pen(model, point.channel).write(truth))


DOUBTS = [
    (key, field.quantity, doubt)
    for key, model in sorted(MAPPED.items())
    for field in (model.modbus.field if model.modbus else ())
    if field.quantity
    for doubt, said_by in (
        ("sentinel", field.sentinels),
        ("out_of_range", field.valid),
        ("sensor_fault", field.type == "f32"),
    )
    if said_by
]


@pytest.mark.parametrize(("key", "quantity", "doubt"), DOUBTS)
def test_a_number_that_is_no_measurement_is_read_as_none(key: str, quantity: str, doubt: str) -> None:
    model = MAPPED[key]
    truth = Truth(doubts={quantity: doubt})
    agrees(model, truth, *said(model, truth))


# Any map at all, not only the catalogue's.

FITTING = {"u16": 16, "s16": 16, "u32": 32, "s32": 32, "f32": 32, "bcd16": 16}


@st.composite
def value_fields(draw: st.DrawFn, quantity: str, at: int) -> Field:
    """A field of any type, orders and slice; its registers are `at` and the one after it."""
    kind = draw(st.sampled_from(sorted(FITTING)))
    half = draw(st.sampled_from([None, "high", "low"])) if kind in ("u16", "s16") else None
    width = 8 if half else FITTING[kind]
    bits = None
    if kind not in ("f32", "bcd16") and draw(st.booleans()):
        first = draw(st.integers(0, width - 2))
        bits = (first, draw(st.integers(first + 1, width - 1)))
    scaled: dict[str, object] = {
        "scale": draw(st.sampled_from([1.0, 0.1, 0.01, 2.5])),
        "offset": draw(st.sampled_from([0, -5])),
    }
    if draw(st.booleans()):
        scaled = {"ramp": Ramp(raw=(800.0, 4000.0), value=draw(st.sampled_from([(0.0, 100.0), (100.0, -25.0)])))}
    return Field(
        name=quantity,
        at=at,
        space=draw(st.sampled_from([Space.HOLDING, Space.INPUT])),
        type=kind,  # type: ignore[arg-type]
        byte=half,  # type: ignore[arg-type]
        bits=bits,
        word_order=draw(st.sampled_from([None, "big", "little"])),
        byte_order=draw(st.sampled_from([None, "big", "little"])),
        stride=draw(st.sampled_from([0, 20])),
        quantity=quantity,
        decimals="decimals" if draw(st.booleans()) else "",
        sign="sign" if draw(st.booleans()) else "",
        full_scale=draw(st.sampled_from([None, 50.0, "full_scale"])),
        unit=draw(st.sampled_from([None, UnitBy(field="unit", codes=(UnitCode(code=3), UnitCode(code=4, scale=0.5)))])),
        **scaled,  # type: ignore[arg-type]
    )


@st.composite
def any_model(draw: st.DrawFn) -> DeviceModel:
    notation = draw(st.sampled_from([Notation.ZERO_BASED, Notation.ONE_BASED]))
    orders = st.sampled_from(["big", "little"])
    holding = {"space": Space.HOLDING, "stride": draw(st.sampled_from([0, 20]))}
    fields = [
        draw(value_fields("combustible_lel", 2)),
        draw(value_fields("temperature_c", 4)),
        Field(name="decimals", at=6, byte="low", **holding),  # type: ignore[arg-type]
        Field(name="sign", at=6, byte="high", **holding),  # type: ignore[arg-type]
        Field(name="full_scale", at=7, **holding),  # type: ignore[arg-type]
        Field(name="unit", at=8, bits=(4, 7), **holding),  # type: ignore[arg-type]
    ]
    chart = RegisterMap(
        field=tuple(draw(st.permutations(fields))),
        notation=notation,
        base=draw(st.sampled_from([0, 1000])),
        byte_order=draw(orders),
        word_order=draw(orders),
        channels=3,
    )
    return DeviceModel(
        key="any", vendor="v", name="n", kind=DeviceKind.DETECTOR, source="s", report_interval_s=1, modbus=chart
    )


@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
@given(any_model(), number_32(0.0, 100.0), number_32(-40.0, 90.0), st.integers(1, 3), st.data())
def test_a_number_in_any_shape_that_the_format_knows_is_read_back(
    model: DeviceModel, gas: float, temperature: float, channel: int, data: st.DataObject
) -> None:
    truth = Truth(values={"combustible_lel": gas, "temperature_c": temperature})
    if data.draw(st.booleans()):
        truth = Truth(
            values=truth.values,
            settings={"unit": data.draw(st.sampled_from([3, 4])), "decimals": data.draw(st.integers(0, 3))},
        )
    point = Point(model, channel, truth=truth)
    try:
        unit, written = Unit(1, [point]), Pen(model, channel).write(truth)
    except CannotSay:
        assume(False)
    got = read(unit, point, compile_map(model))
    agrees(model, truth, got, written)
