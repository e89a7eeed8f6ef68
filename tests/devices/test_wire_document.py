"""docs/WIRE.md says what the code does: its examples are decoded, its tables compared."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from devices.codecs.native import CBOR, decode
from devices.codecs.reply import ValveReply, decode_reply
from devices.codecs.telemetry import (
    CAUSE_WORDS,
    FIELDS,
    MOST_BOOT,
    MOST_DEPTH,
    MOST_EXTRA_BYTES,
    MOST_ITEMS,
    MOST_PAYLOAD_BYTES,
    MOST_PAYLOAD_ITEMS,
    MOST_READING_BYTES,
    MOST_READINGS,
    MOST_SEQ,
    VALVE_WORDS,
)
from devices.commands import Verb, decode_command
from devices.quantities import QUANTITIES, Flag, ValveCause, ValvePosition
from ingest.admission import FUTURE_US
from ingest.device_turn import EARLIER
from ingest.followed import EARLIER_KEPT_US, MISSING_FOR_US, NOTE_EVERY_US
from ingest.links import ARRAY_COUNTS_FOR
from ingest.mqtt_limits import EndpointLimits
from ingest.one_device import RING, WINDOW

WIRE = (Path(__file__).parents[2] / "docs" / "WIRE.md").read_text("utf-8")
SECOND = 1_000_000
DAY_US = 1_764_633_600_000_000


def example(name: str) -> str:
    match = re.search(rf"<!-- test: {name} -->\n```\w*\n(.*?)```", WIRE, re.DOTALL)
    assert match is not None, f"docs/WIRE.md has no example {name!r}"
    return match[1]


def test_the_first_example_is_one_reading() -> None:
    decoded = decode([example("reading").encode()], {})
    row = decoded.rows[0]
    assert (row["device_ts"], row["boot"], row["seq"], row["flags"]) == (DAY_US, 3, 17, 0)
    assert (row["combustible_lel"], row["co_ppm"], row["battery_pct"]) == (0.5, 0, 97)
    assert (decoded.refused, decoded.extra) == ((), ())


def test_the_array_is_two_readings() -> None:
    rows = decode([example("readings").encode()], {}).rows
    assert rows["device_ts"].tolist() == [DAY_US + 250_000, DAY_US + 10_000_000]
    assert rows["flags"].tolist() == [Flag.LOW_ALARM, 0]
    assert (rows["valve"][1], rows["valve_cause"][1]) == (ValvePosition.CLOSED, ValveCause.ALARM)
    assert np.isnan(rows["combustible_lel"][1])


def test_the_cbor_example_is_what_it_says() -> None:
    decoded = decode([bytes.fromhex(example("cbor"))], {0: CBOR})
    assert (decoded.rows["seq"][0], decoded.rows["co_ppm"][0]) == (1, 3)


def test_the_acknowledgement_and_what_asks_for_it_are_what_they_say() -> None:
    assert json.loads(example("ack")) == {"boot": 3, "seq": 19}
    decoded = decode([example("first").encode()], {})
    assert (decoded.rows["seq"].tolist(), decoded.first.tolist(), decoded.extra) == ([20], [18], ())


def test_the_numbers_about_acknowledgements_are_those_in_the_code() -> None:
    told = f"{MISSING_FOR_US // SECOND} to {(MISSING_FOR_US + NOTE_EVERY_US) // SECOND + 1} s"
    assert f"raises an alarm after {told}" in WIRE
    assert f"more than {WINDOW:,} above the acknowledged one" in WIRE
    assert (
        f"Up to {EARLIER} earlier boots are still acknowledged beside it, each for {EARLIER_KEPT_US // SECOND} s"
        in WIRE
    )


def test_the_command_and_its_reply_fit_together() -> None:
    command = decode_command(example("command").encode())
    assert command.verb is Verb.CLOSE
    assert decode_reply(example("reply").encode()) == ValveReply(command.id, ValvePosition.CLOSING)
    assert all(f"`{verb}`" in WIRE for verb in Verb)


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_stands_in_the_table(key: str) -> None:
    assert re.search(rf"^\|[^|]*`{key}`", WIRE, re.MULTILINE)


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_the_range_of_every_quantity_is_the_one_in_the_code(quantity: object) -> None:
    (row,) = [line for line in WIRE.splitlines() if line.startswith(f"| `{quantity.name}` |")]  # type: ignore[attr-defined]
    assert row.endswith(f" {quantity.lowest:g} to {quantity.highest:.7g} |")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("key", "words"), [("valve", VALVE_WORDS), ("valve_cause", CAUSE_WORDS)])
def test_every_word_of_a_valve_stands_beside_its_key(key: str, words: dict[str, int]) -> None:
    (row,) = [line for line in WIRE.splitlines() if line.startswith(f"| `{key}` |")]
    assert set(re.findall(r"`(\w+)`", row)) == {key, *words}


@pytest.mark.parametrize("limit", [MOST_READINGS, MOST_READING_BYTES, MOST_PAYLOAD_BYTES, MOST_EXTRA_BYTES])
def test_every_limit_in_the_document_is_the_one_in_the_code(limit: int) -> None:
    assert f"{limit:,}" in WIRE


def test_the_numbers_in_its_sentences_are_those_in_the_code() -> None:
    assert f"0 to {MOST_BOOT}:" in WIRE
    assert f"0 to {MOST_SEQ}:" in WIRE
    assert f"deeper than {MOST_DEPTH} levels" in WIRE
    assert f"the last {WINDOW:,} numbers" in WIRE
    assert f"{MOST_ITEMS:,} items" in WIRE
    assert f"{MOST_PAYLOAD_ITEMS:,} in a payload" in WIRE
    assert f"the last {RING} are remembered" in WIRE
    assert f"at most {FUTURE_US // 60_000_000}\nminutes ahead" in WIRE


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("connections of one identity", "{connections_per_identity};"),
        ("CONNECT", "within {connect_within_s:g} s, at most {connect_bytes:,} bytes"),
        ("any other packet", "at most {packet_bytes:,} bytes, and whole within {packet_within_s:g} s"),
        ("keep-alive", "at most {keep_alive_cap_s:,} s"),
        ("messages without a PUBACK", "{receive_maximum} (MQTT 5"),
        ("control packets (PINGREQ, SUBSCRIBE, PUBACK, ...)", "{control_packets_per_s:,} a second"),
        ("a session (clean start 0)", "{session_kept_s:,} s in memory, with at most {commands_in_flight} commands"),
    ],
)
def test_what_the_endpoint_allows_is_what_its_limits_say(row: str, said: str) -> None:
    (line,) = [line for line in WIRE.splitlines() if line.startswith(f"| {row} |")]
    assert said.format(**asdict(EndpointLimits())) in line


def test_two_arrays_of_one_connection_fill_its_share() -> None:
    limits = EndpointLimits()
    assert 2 * ARRAY_COUNTS_FOR == limits.unsettled_messages == limits.receive_maximum
    assert "at most two of one connection" in WIRE
