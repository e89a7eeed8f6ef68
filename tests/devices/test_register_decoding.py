"""The register decoder against a plain reference, map by map; and what it makes of frames that are none."""

import math
import struct
from collections.abc import Mapping
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.decoded import Decoded
from devices.codecs.frame import HEADER, FrameState, encode_frame
from devices.codecs.registers import FrameDecoder, compile_map, decode_frames
from devices.fleet import build_fleet
from devices.models import DeviceKind, DeviceModel, load_catalogue
from devices.quantities import DEVICE_FLAGS, QUANTITY_NAMES, Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import NO_TIME
from devices.register_examples import example_payload, run_examples
from devices.register_map import (
    Check,
    Field,
    FlagWhen,
    Notation,
    QualityWhen,
    Ramp,
    RegisterMap,
    Space,
    Term,
    Unit,
    UnitCode,
    ValveWhen,
)
from devices.registers import layout
from devices.sites import Device, Registry, Site
from tests.devices.register_reference import Meaning, Reading

CATALOGUE = load_catalogue()
ON_A_BUS = [model for model in CATALOGUE if model.modbus is not None]
BUDGET = settings(max_examples=200, deadline=None)


def model_of(chart: RegisterMap) -> DeviceModel:
    return DeviceModel(
        key="m", vendor="v", name="n", kind=DeviceKind.DETECTOR, source="s", report_interval_s=1, modbus=chart
    )


def decoder_of(*fields: Field, **more: object) -> FrameDecoder:
    chart = RegisterMap(field=fields, notation=Notation.ZERO_BASED)
    return compile_map(model_of(msgspec.structs.replace(chart, **more)))


def at(name: str, address: int, **more: object) -> Field:
    return msgspec.structs.replace(Field(name=name, at=address, space=Space.HOLDING), **more)


def frame(*words: int, state: FrameState = FrameState.FRESH, seq: int = 7) -> bytes:
    return encode_frame(state, seq, struct.pack(f">{len(words)}H", *words))


def decode(decoder: FrameDecoder, *payloads: bytes) -> Decoded:
    return decode_frames(payloads, np.zeros(len(payloads), np.int32), [decoder])


def one(decoder: FrameDecoder, *words: int, state: FrameState = FrameState.FRESH) -> Mapping[str, object]:
    """Name -> number or quality word; flags as a set, and so on."""
    decoded = decode(decoder, frame(*words, state=state))
    assert decoded.refused == ()
    row = decoded.rows[0]
    told: dict[str, object] = {
        "flags": {flag.name.lower() for flag in Flag if int(row["flags"]) & flag},
        "valve": ValvePosition(row["valve"]).name.lower(),
        "extra": msgspec.json.decode(decoded.extra[0][1]) if decoded.extra else {},
    }
    for name in QUANTITY_NAMES:
        quality = Quality(int(row["quality"]) >> quality_shift(name) & 0xF)
        told[name] = quality.name.lower()
        if quality is Quality.GOOD:
            told[name] = float(row[name])
        told[f"{name}_number"] = float(row[name])
    return told


def floats(number: float) -> tuple[int, int]:
    high, low = struct.unpack(">HH", struct.pack(">f", number))
    return high, low


# --- every shipped map ---


@pytest.mark.parametrize("model", ON_A_BUS, ids=lambda model: model.key)
def test_every_golden_example_of_the_catalogue_means_what_its_file_says(model: DeviceModel) -> None:
    assert run_examples(model) == []


@pytest.mark.parametrize("model", ON_A_BUS, ids=lambda model: model.key)
def test_random_registers_mean_what_a_plain_reading_of_the_map_says(model: DeviceModel) -> None:
    """From the examples' registers with some words changed: random ones alone would seldom pass a check."""
    assert model.modbus is not None
    decoder = compile_map(model)
    rng = Random(model.key)
    payloads = []
    for example in model.modbus.example:
        if example.channel != 1 and decoder.chart.channels == 1:
            continue
        payload = example_payload(model.modbus, example)
        for _ in range(40):
            payloads.append(altered(payload, rng))
    compare(decoder, payloads)


def altered(payload: bytes, rng: Random) -> bytes:
    state = FrameState.STALE if rng.random() < 0.1 else FrameState.FRESH
    words = list(struct.unpack(f">{len(payload[HEADER.size :]) // 2}H", payload[HEADER.size :]))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        place = rng.randrange(len(words))
        words[place] = rng.choice(
            [*range(6), 0xFFFF, 0x8000, 0x7FC0, 0x7F80, words[place] ^ 1 << rng.randrange(16), rng.randrange(65536)]
        )
    return frame(*words, state=state)


def compare(decoder: FrameDecoder, payloads: list[bytes]) -> None:
    decoded = decode(decoder, *payloads)
    row_of = {int(message): row for row, message in enumerate(decoded.message)}
    extra, refused = dict(decoded.extra), dict(decoded.refused)
    for number, payload in enumerate(payloads):
        words = struct.unpack(f">{len(payload[HEADER.size :]) // 2}H", payload[HEADER.size :])
        place = layout(decoder.chart).place
        reading = Reading(decoder.chart, {name: [words[p] for p in places] for name, places in place.items()})
        meaning = reading.meaning(dead=payload[0] == FrameState.STALE)
        assert refused.get(number, "") == meaning.refused
        if not meaning.refused:
            row = row_of[number]
            same(decoded.rows[row], meaning)
            assert kept(decoder, extra.get(row)) == pytest.approx(meaning.extra)
        else:
            assert number not in row_of


def same(row: np.void, meaning: Meaning) -> None:
    flags = {flag.name.lower() for flag in DEVICE_FLAGS if int(row["flags"]) & flag}
    assert flags == meaning.flags
    assert bool(int(row["flags"]) & Flag.STALE) is meaning.stale
    assert (ValvePosition(row["valve"]).name.lower(), ValveCause(row["valve_cause"]).name.lower()) == (
        meaning.valve,
        meaning.cause,
    )
    for name in QUANTITY_NAMES:
        quality = Quality(int(row["quality"]) >> quality_shift(name) & 0xF).name.lower()
        assert quality == meaning.quality.get(name, "not_measured")
        number = meaning.value.get(name, math.nan)
        if abs(number) > float(np.finfo(np.float32).max):
            number = math.nan
        assert float(row[name]) == pytest.approx(number, rel=1e-6, nan_ok=True)


def kept(decoder: FrameDecoder, body: bytes | None) -> dict[str, object]:
    """`extra` without the fields that the map keeps: those have tests of their own."""
    said = msgspec.json.decode(body) if body else {}
    return {name: number for name, number in said.items() if name in QUANTITY_NAMES}


@pytest.mark.parametrize("model", ON_A_BUS, ids=lambda model: model.key)
def test_registers_that_are_all_zero_are_never_a_closed_valve(model: DeviceModel) -> None:
    decoder = compile_map(model)
    decoded = decode(decoder, frame(*[0] * decoder.words))
    assert not (decoded.rows["valve"] == ValvePosition.CLOSED).any()


# --- any map ---

NAMES = ("a", "b", "c", "d")
WORD = st.one_of(
    st.sampled_from([0, 1, 2, 0x7FC0, 0x7F80, 0xFF80, 0x8000, 0xFFFF, 0x0209, 0x4220]), st.integers(0, 0xFFFF)
)


@st.composite
def terms(draw: st.DrawFn) -> tuple[Term, ...]:
    some = []
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(NAMES))
        number = float(draw(st.sampled_from([0, 1, 2, 5, 100, 32768])))
        kind = draw(st.sampled_from(["bit", "one_of", "none_of", "above", "below"]))
        if kind == "bit":
            some.append(Term(field=name, bit=draw(st.integers(0, 15)), set=draw(st.booleans())))
        else:
            said = (number, 7.0, math.nan) if kind in ("one_of", "none_of") else number
            some.append(msgspec.structs.replace(Term(field=name), **{kind: said}))
    return tuple(some)


@st.composite
def some_field(draw: st.DrawFn, name: str, quantity: str) -> Field:
    kind = draw(st.sampled_from(["u16", "s16", "u32", "s32", "f32", "bcd16"]))
    order = st.sampled_from([None, "big", "little"])
    found = at(name, draw(st.integers(0, 5)), type=kind, quantity=quantity, word_order=draw(order))
    found = msgspec.structs.replace(found, byte_order=draw(order))
    if kind in ("u16", "s16", "bcd16"):
        found = msgspec.structs.replace(found, byte=draw(st.sampled_from([None, "high", "low"])))
    if kind not in ("f32", "bcd16") and draw(st.booleans()):
        first, last = sorted(draw(st.tuples(st.integers(0, 7), st.integers(0, 7))))
        found = msgspec.structs.replace(found, bits=(first, last))
    if not quantity:
        return found
    changes = {
        "scale": st.just(0.1),
        "offset": st.just(-3.0),
        "ramp": st.just(Ramp(raw=(800, 4000), value=(0, 100))),
        "decimals": st.just("d"),
        "sign": st.just("c"),
        "full_scale": st.sampled_from([40.0, "c"]),
        "unit": st.just(Unit(field="d", codes=(UnitCode(code=1), UnitCode(code=2, scale=20.0)))),
        "sentinels": st.sampled_from([(65535.0,), (1.0, math.nan)]),
        "valid": st.just((0.0, 1000.0)),
    }
    for key in draw(st.lists(st.sampled_from(sorted(changes)), unique=True, max_size=3)):
        found = msgspec.structs.replace(found, **{key: draw(changes[key])})
    return found


@st.composite
def decoders(draw: st.DrawFn) -> FrameDecoder:
    quantities = draw(st.sampled_from([("combustible_lel", "temperature_c"), ("co_ppm", ""), ("", "")]))
    fields = [draw(some_field(name, quantity)) for name, quantity in zip(NAMES, (*quantities, "", ""), strict=True)]
    word = st.sampled_from(["warm_up", "inhibited", "stale", "not_measured", "out_of_range", "sensor_fault"])
    of = st.sampled_from([(), *((name,) for name in quantities if name)])
    return decoder_of(
        *fields,
        byte_order=draw(st.sampled_from(["big", "little"])),
        word_order=draw(st.sampled_from(["big", "little"])),
        flag=tuple(
            FlagWhen(flag=draw(st.sampled_from(["low_alarm", "fault", "warm_up", "inhibit"])), when=draw(terms()))
            for _ in range(draw(st.integers(0, 2)))
        ),
        quality=tuple(
            QualityWhen(quality=draw(word), when=draw(terms()), of=draw(of)) for _ in range(draw(st.integers(0, 3)))
        ),
        valve=tuple(
            ValveWhen(position=draw(st.sampled_from(["open", "closed"])), when=draw(terms()), cause="remote")
            for _ in range(draw(st.integers(0, 2)))
        ),
        check=tuple(Check(when=draw(terms()), reason=f"no {n}") for n in range(draw(st.integers(0, 1)))),
    )


@BUDGET
@given(decoders(), st.data())
def test_any_map_is_decoded_as_a_plain_reading_of_it_says(decoder: FrameDecoder, data: st.DataObject) -> None:
    words = st.lists(WORD, min_size=decoder.words, max_size=decoder.words)
    state = st.sampled_from([FrameState.FRESH, FrameState.FRESH, FrameState.STALE])
    frames = data.draw(st.lists(st.tuples(words, state), min_size=1, max_size=8))
    compare(decoder, [frame(*said, state=how) for said, how in frames])


@BUDGET
@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(-2, 9)), max_size=20))
def test_no_payload_makes_the_decoder_raise_and_none_vanishes(said: list[tuple[bytes, int]]) -> None:
    made = [compile_map(model) for model in ON_A_BUS[:7]]
    places = [HEADER.unpack_from(body)[2] if len(body) >= HEADER.size else 0 for body, _ in said]
    here = np.array(places, np.uint64)
    here[::3] = 0
    decoded = decode_frames([body for body, _ in said], np.array([no for _, no in said], np.int32), made, here)
    assert sorted([*decoded.message.tolist(), *(refused.message for refused in decoded.refused)]) == [*range(len(said))]
    assert decoded.message.tolist() == sorted(decoded.message.tolist())


# --- frames ---

GAS = at("gas", 0, quantity="combustible_lel")
CO = at("co", 1, quantity="co_ppm")


def test_frames_of_many_models_come_back_in_their_order() -> None:
    first, second = decoder_of(GAS), decoder_of(GAS, CO)
    payloads = [frame(1, seq=1), frame(2, 20, seq=2), b"", frame(3, seq=3), frame(4, 40, seq=4), frame(5, seq=5)]
    decoded = decode_frames(payloads, np.array([0, 1, 0, 0, 1, -1], np.int32), [first, second])
    assert decoded.message.tolist() == [0, 1, 3, 4]
    assert decoded.rows["seq"].tolist() == [1, 2, 3, 4]
    assert decoded.rows["combustible_lel"].tolist() == [1, 2, 3, 4]
    assert [refused.message for refused in decoded.refused] == [2, 5]
    assert decoded.refused[1].reason == "the device's model has no register map"


def test_a_frame_has_the_log_s_number_and_no_time_and_is_not_marked_as_without_identity() -> None:
    decoded = decode(decoder_of(GAS), frame(1, seq=1_800_000_000_000_000))
    row = decoded.rows[0]
    assert (row["boot"], row["seq"], row["device_ts"], row["flags"]) == (0, 1_800_000_000_000_000, NO_TIME, 0)
    assert not decoded.hashed.any()


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "19 bytes, this one has 0"),
        (frame(1, 2), "19 bytes, this one has 21"),
        (frame(1)[:-1], "19 bytes, this one has 18"),
        (b"\x09" + frame(1)[1:], "state 9"),
        (frame(1, seq=-1), "number -1"),
        (frame(1, state=FrameState.NO_REPLY), "state 2"),
        (frame(), "state 0 without words"),
        (frame(state=FrameState.NO_REPLY, seq=-5), "state 2 without words"),
    ],
)
def test_what_is_no_frame_is_refused_with_the_reason(payload: bytes, why: str) -> None:
    decoded = decode(decoder_of(GAS), payload)
    assert len(decoded.rows) == 0
    assert why in decoded.refused[0].reason


STATUS = at("status", 2)
HEAD = decoder_of(
    GAS,
    CO,
    STATUS,
    flag=(FlagWhen(flag="high_alarm", when=(Term(field="status", bit=0),)),),
    valve=(ValveWhen(position="closed", when=(Term(field="status", bit=1),)),),
)


def test_a_dead_device_observes_nothing_but_its_alarm_bits_are_kept() -> None:
    told = one(HEAD, 12, 34, 3, state=FrameState.STALE)
    assert (told["combustible_lel"], told["co_ppm"], told["temperature_c"]) == ("stale", "stale", "not_measured")
    assert (told["combustible_lel_number"], told["co_ppm_number"]) == (12, 34)
    assert told["flags"] == {"high_alarm", "stale"}
    assert told["valve"] == "unknown"
    assert one(HEAD, 12, 34, 3)["valve"] == "closed"


def test_nobody_answering_is_stale_without_numbers() -> None:
    told = one(HEAD, state=FrameState.NO_REPLY)
    assert (told["combustible_lel"], told["co_ppm"], told["temperature_c"]) == ("stale", "stale", "not_measured")
    assert math.isnan(told["co_ppm_number"])
    assert (told["flags"], told["valve"], told["extra"]) == ({"stale"}, "unknown", {})


def test_an_old_age_register_makes_the_whole_reading_stale_only_when_it_speaks_of_all_of_it() -> None:
    old = (Term(field="status", above=30),)
    for of, stale in (((), True), (("co_ppm",), False)):
        decoder = decoder_of(GAS, CO, STATUS, quality=(QualityWhen(quality="stale", when=old, of=of),))
        told = one(decoder, 1, 2, 31)
        assert (told["co_ppm"], "stale" in told["flags"]) == ("stale", stale)
        assert one(decoder, 1, 2, 30)["co_ppm"] == 2


def test_a_valve_on_a_bus_can_be_stale_too() -> None:
    decoder = decoder_of(
        at("age", 0),
        at("position", 1),
        valve=(ValveWhen(position="closed", when=(Term(field="position", one_of=(1,)),)),),
        quality=(QualityWhen(quality="stale", when=(Term(field="age", above=30),)),),
    )
    assert (one(decoder, 5, 1)["valve"], one(decoder, 5, 1)["flags"]) == ("closed", set())
    assert (one(decoder, 31, 1)["valve"], one(decoder, 31, 1)["flags"]) == ("unknown", {"stale"})


def test_a_fleet_knows_the_decoder_of_each_device_of_a_model_with_registers() -> None:
    bus = Device(1, "davysim", "bus", "modbus_gateway", "s", address="modbus+tcp://127.0.0.1:5020")
    head = Device(2, "davysim", "head", "sim_modbus_detector", "s", gateway=bus.identity, address="7")
    home = Device(3, "davysim", "home", "sim_detector_home", "s")
    registry = Registry(models=CATALOGUE, sites=(Site("s", simulated=True),), devices=(bus, head, home))
    fleet = build_fleet(registry)
    assert fleet.decoder_by_slot[[0, 2]].tolist() == [-1, -1]
    assert fleet.decoders[fleet.decoder_by_slot[1]].model == head.model
    left = build_fleet(msgspec.structs.replace(registry, devices=(bus, home)), fleet)
    assert left.decoder_by_slot.tolist() == [-1, -1, -1]


# --- numbers ---


@pytest.mark.parametrize(
    ("changes", "words", "number"),
    [
        ({"type": "f32"}, floats(40.0), 40.0),
        ({"type": "f32", "word_order": "little"}, floats(40.0)[::-1], 40.0),
        ({"type": "f32", "byte_order": "little"}, (0x2042, 0x0000), 40.0),
        ({"type": "f32", "byte_order": "little", "word_order": "little"}, (0x0000, 0x2042), 40.0),
        ({"type": "s16"}, (0xFFFE,), -2),
        ({"type": "s16", "byte": "low"}, (0x01FF,), -1),
        ({"type": "u16", "byte": "high"}, (0x25FE,), 0x25),
        ({"type": "u16", "bits": (4, 7)}, (0x12B4,), 0xB),
        ({"type": "u16", "byte": "high", "bits": (4, 7)}, (0xC2B4,), 0xC),
        ({"type": "u32"}, (0x0001, 0x0002), 65538),
        ({"type": "s32"}, (0xFFFF, 0xFFFF), -1),
        ({"type": "bcd16", "scale": 0.1}, (0x0209,), 20.9),
        ({"type": "bcd16", "byte": "low"}, (0xFF42,), 42),
        ({"ramp": Ramp(raw=(800, 4000), value=(0, 100))}, (2400,), 50),
        ({"type": "s16", "scale": 0.1, "offset": -2.0}, (70,), 5),
        ({"full_scale": 1000.0}, (25,), 250),
    ],
)
def test_each_way_to_say_a_number(changes: dict[str, object], words: tuple[int, ...], number: float) -> None:
    decoder = decoder_of(at("x", 0, quantity="flow_m3h", **changes))
    assert one(decoder, *words)["flow_m3h"] == pytest.approx(number, rel=1e-6)


def test_decimals_sign_full_scale_and_unit_stand_in_other_registers() -> None:
    decoder = decoder_of(
        at("x", 0, quantity="flow_m3h", decimals="places", sign="minus", full_scale="full", unit=UNIT),
        at("places", 1, byte="low"),
        at("minus", 1, byte="high"),
        at("full", 2, scale=0.1),
        at("unit", 3),
    )
    assert one(decoder, 500, 0x0101, 2000, 2)["flow_m3h"] == pytest.approx(-500 / 10 * 200 / 100 * 10)
    for broken in ((500, 0x0107, 2000, 2), (500, 0x0101, 0, 2), (500, 0x0101, 2000, 9)):
        told = one(decoder, *broken)
        assert told["flow_m3h"] == "sensor_fault"
        assert math.isnan(told["flow_m3h_number"])


UNIT = Unit(field="unit", codes=(UnitCode(code=1), UnitCode(code=2, scale=10.0)))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_a_sensor_fault(number: float) -> None:
    told = one(decoder_of(at("x", 0, type="f32", quantity="co_ppm", valid=(0, 100))), *floats(number))
    assert told["co_ppm"] == "sensor_fault"
    assert math.isnan(told["co_ppm_number"])
    assert told["extra"] == {}


@pytest.mark.parametrize("quantity", ["combustible_lel", "co_ppm"])
def test_no_tenth_whose_words_are_exchanged_on_the_way_reads_as_less_gas_than_there_is(quantity: str) -> None:
    tenths = [number / 10 for number in range(1, 2561)]
    decoder = decoder_of(at("x", 0, type="f32", quantity=quantity))
    rows = decode(decoder, *(frame(*floats(number)[::-1]) for number in tenths)).rows
    quality = rows["quality"] >> quality_shift(quantity) & 0xF
    assert not ((quality == Quality.GOOD) & (rows[quantity] < tenths)).any()


def test_a_float_counts_as_a_number_from_a_millionth_on_and_zero_does() -> None:
    decoder = decoder_of(at("x", 0, type="f32", quantity="co_ppm"))
    told = [one(decoder, *floats(number))["co_ppm"] for number in (0.0, -0.0, 1.01e-6, -1.01e-6, 9.9e-7, -9.9e-7)]
    assert [word == "sensor_fault" for word in told] == [False] * 4 + [True] * 2


def test_a_full_scale_whose_words_are_exchanged_does_not_make_gas_clean_air() -> None:
    decoder = decoder_of(
        at("x", 0, quantity="combustible_lel", full_scale="full"), at("full", 1, type="f32", scale=0.1)
    )
    assert one(decoder, 60, *floats(1000.0))["combustible_lel"] == 60
    assert one(decoder, 60, *floats(1000.0)[::-1])["combustible_lel"] == "sensor_fault"


def test_a_number_of_decimals_that_is_not_whole_is_a_sensor_fault() -> None:
    decoder = decoder_of(at("x", 0, quantity="co_ppm", decimals="places"), at("places", 1, type="f32"))
    assert one(decoder, 250, *floats(1.0))["co_ppm"] == 25
    for places in (0.5, 1e-7, math.nan):
        assert one(decoder, 250, *floats(places))["co_ppm"] == "sensor_fault"


def test_a_digit_above_nine_is_a_sensor_fault() -> None:
    assert one(decoder_of(at("x", 0, type="bcd16", quantity="co_ppm")), 0x02A9)["co_ppm"] == "sensor_fault"


def test_what_goes_before_what_in_the_quality_of_a_value() -> None:
    decoder = decoder_of(
        at("x", 0, quantity="co_ppm", sentinels=(65535,), valid=(0, 1000)),
        at("state", 1),
        quality=(
            QualityWhen(quality="warm_up", when=(Term(field="state", one_of=(1,)),)),
            QualityWhen(quality="inhibited", when=(Term(field="state", one_of=(1, 2)),)),
        ),
    )
    found = [one(decoder, *words) for words in ((65535, 1), (65535, 2), (65535, 0), (1001, 0), (1000, 0))]
    assert [told["co_ppm"] for told in found] == ["warm_up", "inhibited", "sentinel", "out_of_range", 1000]
    # Evidence stays, but for what is out of range: that goes to `extra`.
    assert [told["co_ppm_number"] for told in found[:3]] == [65535, 65535, 65535]
    assert math.isnan(found[3]["co_ppm_number"])
    assert [told["extra"] for told in found] == [{}, {}, {}, {"co_ppm": 1001}, {}]


def test_a_fault_bit_doubts_gas_and_not_temperature() -> None:
    decoder = decoder_of(
        GAS,
        at("t", 1, quantity="temperature_c"),
        STATUS,
        flag=(FlagWhen(flag="fault", when=(Term(field="status", bit=0, set=False),)),),
    )
    told = one(decoder, 3, 20, 0)
    assert (told["combustible_lel"], told["temperature_c"], told["flags"]) == ("sensor_fault", 20, {"fault"})
    assert one(decoder, 3, 20, 1)["combustible_lel"] == 3


def test_a_check_that_fails_is_another_device_s_answer() -> None:
    decoder = decoder_of(GAS, STATUS, check=(Check(when=(Term(field="status", one_of=(5,)),), reason="not %LEL"),))
    decoded = decode(decoder, frame(1, 5, seq=1), frame(0, 0, seq=2), frame(3, 5, seq=3))
    assert decoded.rows["combustible_lel"].tolist() == [1, 3]
    assert decoded.message.tolist() == [0, 2]
    assert decoded.refused == ((1, "not %LEL"),)


def test_the_first_check_that_fails_is_the_reason() -> None:
    checks = (Check(when=(Term(field="status", one_of=(5,)),), reason="one"), Check(when=(TWO,), reason="two"))
    decoder = decoder_of(GAS, STATUS, check=checks)
    decoded = decode(decoder, frame(1, 4), frame(1, 5), frame(2, 5))
    assert decoded.refused == ((0, "one"), (1, "two"))


TWO = Term(field="gas", above=1)


@pytest.mark.parametrize("changes", [{"ramp": Ramp(raw=(994, 4040), value=(0, 100))}, {"scale": 100 / 4040}])
def test_the_end_of_a_range_is_within_it_whatever_the_arithmetic_adds(changes: dict[str, object]) -> None:
    decoder = decoder_of(at("x", 0, quantity="humidity_pct", **changes))
    assert (one(decoder, 4040)["humidity_pct"], one(decoder, 4041)["humidity_pct"]) == (100, "out_of_range")


def test_a_minus_sign_before_nothing_is_nothing() -> None:
    decoder = decoder_of(at("x", 0, quantity="temperature_c", sign="minus"), at("minus", 1))
    assert str(one(decoder, 0, 1)["temperature_c"]) == "0.0"


# --- extra ---


def test_what_a_map_keeps_stands_in_extra_unless_it_is_nothing() -> None:
    decoder = decoder_of(
        at("fault_number", 0, extra=True),
        at("supply_v", 1, type="f32", scale=0.001, extra=True),
        at("gas_name", 3, type="ascii", words=3, extra=True),
    )
    assert one(decoder, 0, 0, 0, 0, 0, 0)["extra"] == {}
    assert one(decoder, 0, 0, 0, 0x2020, 0x2020, 0x2000)["extra"] == {}
    told = one(decoder, 1103, *floats(24100.0), 0x4348, 0x3400, 0x0000)["extra"]
    assert told == {"fault_number": 1103, "supply_v": 24.1, "gas_name": "CH4"}


def test_text_of_any_bytes_is_kept_printable() -> None:
    decoder = decoder_of(at("serial", 0, type="ascii", words=2, extra=True))
    assert one(decoder, 0x411B, 0xFF42)["extra"] == {"serial": "A\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}B"}
    swapped = decoder_of(at("serial", 0, type="ascii", words=2, extra=True, byte_order="little"))
    assert one(swapped, 0x4241, 0x4443)["extra"] == {"serial": "ABCD"}


@given(
    st.lists(st.tuples(st.sampled_from([0, 5]), st.sampled_from([0, 7, 9]), st.sampled_from([1, 60000])), min_size=1)
)
def test_extras_belong_to_their_own_rows(said: list[tuple[int, int, int]]) -> None:
    decoder = decoder_of(
        at("one", 0, extra=True), at("two", 1, extra=True), at("x", 2, quantity="co_ppm", valid=(0, 100))
    )
    decoded = decode(decoder, *(frame(*words) for words in said))
    told = {row: msgspec.json.decode(body) for row, body in decoded.extra}
    for row, (first, second, number) in enumerate(said):
        expected = {"one": first, "two": second, "co_ppm": 0 if number == 1 else number}
        assert told.get(row, {}) == {name: value for name, value in expected.items() if value}
