"""What the simulators' encoder writes, the planner and the decoder read back: two implementations of one format's words
that share no code."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import FrameDecoder, compile_map, decode_frames
from devices.models import DeviceModel, load_catalogue
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
from devices.register_map import Field
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


def read(unit: Unit, point: Point) -> Read:
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
    decoded = decode_frames([frame], np.zeros(1, np.int32), [DECODERS[point.model.key]])
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


def shown(field: Field, model: DeviceModel) -> st.SearchStrategy[float]:
    """Values that the quantity can have and the field can hold."""
    at = QUANTITY_NAMES.index(field.quantity)
    lowest, highest = QUANTITIES[at].lowest, QUANTITIES[at].highest
    if field.quantity in model.ranges:
        low, high = model.ranges[field.quantity]
        lowest, highest = max(lowest, low), min(highest, high)
    return st.floats(lowest, highest, width=32)


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
        # Some flags come with a state only: a device that tests itself measures nothing.
        assert any(
            can_be_said(model, Truth(flags=frozenset({flag}), valve=positions[0], state=state))
            for state in ("", *states_of(chart))
        ), flag


def can_be_said(model: DeviceModel, truth: Truth) -> bool:
    try:
        agrees(model, truth, *said(model, truth))
    except CannotSay:
        return False
    return True
