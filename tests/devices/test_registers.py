"""The read planner: against a naive image of a device, and against all plans there are (P1 to P5)."""

from collections.abc import Iterator
from itertools import combinations
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.register_check import map_faults
from devices.register_map import CommandProcedure, Field, Notation, RegisterMap, Space, Span, Term, Write
from devices.registers import Read, layout, plan_reads, procedure, width, wire_address

BITS = (Space.COIL, Space.DISCRETE)
#: Fields crowd below the one or spread below the other: shared words and full reads are of crowds, gaps are of room.
CROWDED, ROOMY = 7, 40


@st.composite
def some_field(draw: st.DrawFn, name: str, spaces: tuple[Space, ...], highest: int) -> Field:
    space = draw(st.sampled_from(spaces))
    kind = "bit" if space in BITS else draw(st.sampled_from(["u16", "s16", "u32", "f32", "ascii"]))
    words = draw(st.integers(1, 4)) if kind == "ascii" else 0
    stride = draw(st.sampled_from([0, 0, 1, 4, 9]))
    return Field(name=name, at=draw(st.integers(0, highest)), space=space, type=kind, words=words, stride=stride)


@st.composite
def charts(draw: st.DrawFn, spaces: tuple[Space, ...] = tuple(Space), most_fields: int = 7) -> RegisterMap:
    """Maps that can be read: no field is torn by another, and the declared spans hold all fields of all channels."""
    highest = draw(st.sampled_from([CROWDED, ROOMY]))
    if highest == CROWDED:
        spaces = spaces[-1:]
    fields = [draw(some_field(f"f{at}", spaces, highest)) for at in range(draw(st.integers(1, most_fields)))]
    channels = draw(st.integers(1, 3))
    if not any(field.stride for field in fields):
        channels = 1
    chart = RegisterMap(
        field=tuple(fields),
        notation=Notation.ZERO_BASED,
        channels=channels,
        most_registers=draw(st.integers(4, 12)),
        most_bits=draw(st.integers(2, 12)),
        most_gap=draw(st.integers(0, 5)),
    )
    assume(all(not overlap_in_part(chart, one, other) for one, other in combinations(fields, 2)))
    if draw(st.booleans()):
        return with_fields(chart, readable=tuple(draw(spans_around(chart))))
    return chart


@st.composite
def spans_around(draw: st.DrawFn, chart: RegisterMap) -> list[Span]:
    """Each stretch in a span of its own, some a little wider than it."""
    spans = []
    for space, first, end in stretches(chart):
        wider = draw(st.integers(0, 4))
        spans.append(Span(first=max(0, first - wider), last=end - 1 + draw(st.integers(0, 4)), space=space))
    return spans


def with_fields(chart: RegisterMap, **changed: object) -> RegisterMap:
    return msgspec.structs.replace(chart, **changed)


def overlap_in_part(chart: RegisterMap, one: Field, other: Field) -> bool:
    if one.space is not other.space or one.stride != other.stride:
        return False
    mine, others = (set(range(field.at, field.at + width(field))) for field in (one, other))
    return bool(mine & others) and not (mine <= others or others <= mine)


def stretches(chart: RegisterMap) -> list[tuple[Space, int, int]]:
    """What must be read whole: [first, end) of every field of every channel."""
    return sorted(
        {
            (field.space, at := field.at + field.stride * channel, at + width(field))
            for field in chart.field
            for channel in range(chart.channels)
            if field.space is not None
        },
        key=str,
    )


def readable(chart: RegisterMap) -> set[tuple[Space, int]]:
    return {(span.space, at) for span in chart.readable for at in range(span.first, span.last + 1) if span.space}


def everyone(chart: RegisterMap) -> range:
    return range(1, chart.channels + 1)


def addresses(read: Read) -> Iterator[tuple[Space, int]]:
    return ((read.space, read.first + at) for at in range(read.count))


@given(charts())
def test_a_read_stays_within_the_limits_and_the_declared_spans(chart: RegisterMap) -> None:
    of_fields = {(space, at) for space, first, end in stretches(chart) for at in range(first, end)}
    for read in plan_reads(chart, everyone(chart)).reads:
        assert 1 <= read.count <= (chart.most_bits if read.space in BITS else chart.most_registers)
        strangers = {place for place in addresses(read) if place not in of_fields}
        assert strangers <= readable(chart)
        assert {(read.space, read.first), (read.space, read.first + read.count - 1)} <= of_fields
        # Never more than `most_gap` of them in a row.
        run = 0
        for place in addresses(read):
            run = run + 1 if place in strangers else 0
            assert run <= chart.most_gap


@given(charts(), st.data())
def test_the_order_of_fields_makes_no_difference(chart: RegisterMap, data: st.DataObject) -> None:
    turned = with_fields(chart, field=tuple(data.draw(st.permutations(chart.field))))
    turned = with_fields(turned, readable=tuple(data.draw(st.permutations(chart.readable))))
    one, other = plan_reads(chart, everyone(chart)), plan_reads(turned, everyone(chart))
    assert one.reads == other.reads
    assert layout(chart) == layout(turned)
    for channel in everyone(chart):
        assert (one.cut[channel] == other.cut[channel]).all()


@given(charts(), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_every_word_of_a_frame_comes_from_the_address_it_stands_for(
    chart: RegisterMap, base: int, random: Random
) -> None:
    rng = np.random.default_rng(random.randrange(2**32))
    image = {space: rng.integers(0, 2**16, 3000).astype(np.uint16) for space in Space}
    plan = plan_reads(chart, everyone(chart), base)
    words = np.concatenate([image[read.space][read.first : read.first + read.count] for read in plan.reads])
    place = layout(chart).place
    for channel in everyone(chart):
        frame = np.frombuffer(plan.frame(words, channel), ">u2")
        assert len(frame) == layout(chart).words
        for field in chart.field:
            assert field.space is not None
            first = field.at + base + field.stride * (channel - 1)
            told = image[field.space][first : first + width(field)]
            assert frame[list(place[field.name])].tolist() == told.tolist()


@given(charts())
def test_no_field_is_torn(chart: RegisterMap) -> None:
    """All words of a field come from one read, one after the other."""
    plan = plan_reads(chart, everyone(chart))
    starts = np.cumsum([0, *(read.count for read in plan.reads)])
    place = layout(chart).place
    for channel in everyone(chart):
        for field in chart.field:
            places = plan.cut[channel][list(place[field.name])]
            assert (np.diff(places) == 1).all()
            assert len(set(np.searchsorted(starts, places, side="right"))) == 1


@given(charts(spaces=(Space.HOLDING,), most_fields=5))
def test_no_plan_has_fewer_reads(chart: RegisterMap) -> None:
    assert len(plan_reads(chart, everyone(chart)).reads) == fewest_reads(chart)


def fewest_reads(chart: RegisterMap) -> int:
    """By trying them all: every allowed read from one stretch's start to one's end, and the smallest set of them in
    which each stretch lies whole."""
    wanted = stretches(chart)
    of_fields = {at for _, first, end in wanted for at in range(first, end)}
    spare = {at for _, at in readable(chart)}
    covers: set[frozenset[int]] = set()
    for _, first, _ in wanted:
        for _, _, end in wanted:
            if not 0 < end - first <= chart.most_registers:
                continue
            if not bridged(range(first, end), of_fields, spare, chart.most_gap):
                continue
            covers.add(frozenset(n for n, (_, a, b) in enumerate(wanted) if first <= a and b <= end))
    everything = frozenset(range(len(wanted)))
    reached = {frozenset[int]()}
    many = 0
    while everything not in reached:
        reached = {so_far | more for so_far in reached for more in covers}
        many += 1
    return many


def bridged(places: range, of_fields: set[int], spare: set[int], most_gap: int) -> bool:
    run = 0
    for at in places:
        run = 0 if at in of_fields else run + 1
        if run > most_gap or (run and at not in spare):
            return False
    return True


@given(charts())
def test_spaces_are_never_mixed_and_reads_never_repeat(chart: RegisterMap) -> None:
    reads = plan_reads(chart, everyone(chart)).reads
    assert len(set(reads)) == len(reads)
    for space in Space:
        firsts = [read.first for read in reads if read.space is space]
        assert firsts == sorted(firsts)


HOLDING = {"space": Space.HOLDING}


def chart_of(*fields: Field, **more: object) -> RegisterMap:
    return with_fields(RegisterMap(field=fields, notation=Notation.ZERO_BASED), **more)


@pytest.mark.parametrize(
    ("notation", "at", "space", "address"),
    [
        (Notation.MODICON, 40001, Space.HOLDING, 0),
        (Notation.MODICON, 400027, Space.HOLDING, 26),
        (Notation.MODICON, 30014, Space.INPUT, 13),
        (Notation.MODICON, 310000, Space.INPUT, 9999),
        (Notation.MODICON, 10001, Space.DISCRETE, 0),
        (Notation.MODICON, 1, Space.COIL, 0),
        (Notation.ZERO_BASED, 0x6001, Space.INPUT, 0x6001),
        (Notation.ONE_BASED, 0x21, Space.HOLDING, 0x20),
    ],
)
def test_an_address_in_each_notation(notation: Notation, at: int, space: Space, address: int) -> None:
    chart = RegisterMap(field=(), notation=notation)
    said = None if notation is Notation.MODICON else space
    assert wire_address(chart, at, said) == (space, address)
    assert wire_address(with_fields(chart, base=200), at, said) == (space, address + 200)
    assert wire_address(chart, at, said, 200) == (space, address + 200)


@pytest.mark.parametrize(
    ("notation", "at", "space", "why"),
    [
        (Notation.MODICON, 40000, None, "no modicon address"),
        (Notation.MODICON, 20001, None, "no modicon address"),
        (Notation.MODICON, 0, None, "no modicon address"),
        (Notation.MODICON, -5, None, "no modicon address"),
        (Notation.MODICON, 465537, None, "must be 0 to 65535"),
        (Notation.MODICON, 40001, Space.INPUT, "is a holding address, not input"),
        (Notation.ZERO_BASED, 7, None, "needs a space"),
        (Notation.ZERO_BASED, 65536, Space.COIL, "must be 0 to 65535"),
        (Notation.ONE_BASED, 0, Space.COIL, "must be 0 to 65535"),
    ],
)
def test_an_impossible_address_is_refused(notation: Notation, at: int, space: Space | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        wire_address(RegisterMap(field=(), notation=notation), at, space)


@pytest.mark.parametrize(
    ("chart", "why"),
    [
        (
            chart_of(Field(name="a", at=9, **HOLDING), readable=(Span(first=0, last=8, **HOLDING),)),
            "outside the readab",
        ),
        (chart_of(Field(name="a", at=65535, type="f32", **HOLDING)), "beyond 65535"),
        (chart_of(Field(name="a", at=0, type="ascii", words=9, **HOLDING), most_registers=8), "at most 8"),
        (chart_of(Field(name="a", at=0, **HOLDING), readable=(Span(first=5, last=4, **HOLDING),)), "comes first"),
        (chart_of(Field(name="a", at=0, stride=40000, **HOLDING), channels=3), "must be 0 to 65535"),
    ],
)
def test_a_layout_that_cannot_be_read_is_refused(chart: RegisterMap, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plan_reads(chart, everyone(chart))
    assert map_faults(chart, verb="", reports_position=False)


def test_a_word_that_two_reads_carry_comes_with_the_wider_field() -> None:
    """Two reads overlap in register 3: its word must be the one that was read together with register 4."""
    fields = (Field(name="a", at=0, **HOLDING), Field(name="b", at=3, **HOLDING))
    wide = Field(name="c", at=3, type="f32", **HOLDING)
    span = (Span(first=0, last=9, **HOLDING),)
    plan = plan_reads(chart_of(*fields, wide, readable=span, most_registers=4))
    assert plan.reads == (Read(Space.HOLDING, 0, 4), Read(Space.HOLDING, 3, 2))
    assert plan.cut[1].tolist() == [0, 4, 5]


def test_a_channel_that_the_map_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="channel 2 must be 1 to 1"):
        plan_reads(chart_of(Field(name="a", at=0, **HOLDING)), (2,))


CLOSE = CommandProcedure(
    verb="close",
    style="one_shot",
    pulse_ms=500,
    write=(
        Write(function=16, at=100, values=(0x1234, 7), stride=10, pause_ms=20),
        Write(function=5, at=3, values=(1,), stride=2, then=(Term(field="a", one_of=(1,)),)),
    ),
    release=(Write(function=5, at=3, values=(0,), stride=2),),
)


def test_a_command_is_written_to_its_own_channel_and_nowhere_else() -> None:
    chart = chart_of(Field(name="a", at=0, **HOLDING), channels=3, command=(CLOSE,))
    ready = procedure(chart, "close", channel=3, base=1000)
    assert ready is not None
    assert [(w.function, w.at, w.values) for w in ready.write] == [(16, 1120, (0x1234, 7)), (5, 1007, (1,))]
    assert [(w.at, w.values) for w in ready.release] == [(1007, (0,))]
    assert (ready.pulse_s, ready.write[0].pause_s) == (0.5, 0.02)
    assert ready.write[1].then == (Term(field="a", one_of=(1,)),)


def test_a_command_that_is_not_declared_does_not_exist() -> None:
    assert procedure(chart_of(Field(name="a", at=0, **HOLDING)), "close") is None
    assert procedure(chart_of(Field(name="a", at=0, **HOLDING), command=(CLOSE,)), "fan_on") is None
