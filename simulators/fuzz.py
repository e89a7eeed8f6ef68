"""An endless stream of telemetry payloads from a seed: valid ones, valid ones damaged, and hostile ones.

The same seed gives the same stream, so that a failure is named by its seed and its place. About half the payloads
are readings as a device means them; the rest should end in quarantine or with a quality that nobody takes for normal.
"""

import json
import random
from collections.abc import Callable, Iterator

import cbor2

from devices.quantities import DEVICE_FLAGS, QUANTITIES, ValveCause, ValvePosition

_FLAGS = tuple(str(flag.name).lower() for flag in DEVICE_FLAGS)
_VALVES = tuple(position.name.lower() for position in ValvePosition)
_CAUSES = tuple(cause.name.lower() for cause in ValveCause)
_KEYS = ("ts", "boot", "seq", *(quantity.name for quantity in QUANTITIES), "valve", "valve_cause", *_FLAGS)

#: Literals that are no value of any field, or none of most; the hostile payload catalogue in small.
_ODD_VALUES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"null", b"true", b'""', b'"1"', b"[]", b"{}",
    b"-1", b"1.0", b"9223372036854775807", b"9223372036854775808", b"1" * 400, b"9" * 5_000, b"01", b"1.",
    b".5", b"+1", b"0x10", b"1_0", b'"\\ud800"', b'"\\u0000"', b'"\xff"', b'"\\u0063losed"', b'"\\""',
    "\"\u0661\u0662\u0663\"".encode(), b"[[[[1]]]]", b'{"a":{"a":1}}', b'"=1+1"', b'"2025-02-31T00:00:00Z"',
    b'"2025-12-02"', b"1764633600", b"1764633600000000", b"-1e-400",
)  # fmt: skip
_HOSTILE: tuple[bytes, ...] = (
    b"", b" ", b"[]", b"{}", b"[{}]", b"null", b"1", b'"text"', b"[1,2]", b"[" * 100_000, b'{"x":' + b"[" * 5_000,
    b'{"a":' * 100_000, b'{"seq":1}' * 2, b'{"seq":1,}', b"\xef\xbb\xbf{}", b"\xff\xfe", '{"seq":1}'.encode("utf-16"),
    b'{"seq":1,"seq":2}', b'{"seq":1,"x":{"y":1,"y":2}}', b'{"seq":1,"x":"' + b"a" * 20_000 + b'"}',
    b"[" + b'{"seq":1},' * 1_000 + b'{"seq":2}]', b"{" + b",".join(b'"k%d":1' % k for k in range(10_000)) + b"}",
    b'{"seq":1,"\\u0073eq":2}', b'{"\\ud800":1,"seq":1}', b'{"seq":1,"a\\u0000":1}', b'"' + b"\\" * 20_000, b'{"a":"\\',
    b"\x1f\x8b\x08\x00" + bytes(60), b'{"ts":null}', b"[" + b'{"ts":null},' * 999 + b'{"ts":null}]',
    b'{"seq":null,"co_ppm":null,"fw":"1"}', b"[" + b'{"seq":1},' * 999 + b'{"ts":null}]',
)  # fmt: skip


def payloads(seed: int) -> Iterator[bytes]:
    """JSON payloads without end."""
    rng = random.Random(seed)  # noqa: S311 - repeatable by design
    makers: tuple[Callable[[random.Random], bytes], ...] = (_valid, _valid, _array, _odd, _damaged, _hostile)
    while True:
        yield rng.choice(makers)(rng)


def cbor_payloads(seed: int) -> Iterator[bytes]:
    """CBOR payloads without end."""
    rng = random.Random(seed)  # noqa: S311 - repeatable by design
    while True:
        body = cbor2.dumps(reading(rng) if rng.random() < 0.7 else [reading(rng) for _ in range(rng.randrange(4))])
        yield body if rng.random() < 0.5 else _damage(rng, body)


def reading(rng: random.Random) -> dict[str, int | float | str | bool]:
    """One reading as a device would mean it: some of the fields, in any order."""
    said: dict[str, int | float | str | bool] = {}
    for key in rng.sample(_KEYS, rng.randrange(1, 10)):
        said[key] = _value(rng, key)
    return said


def _value(rng: random.Random, key: str) -> int | float | str | bool:
    if key == "ts":
        text = f"2025-12-{rng.randrange(1, 31):02}T{rng.randrange(24):02}:00:{rng.randrange(60):02}"
        return rng.choice((1_764_633_600_000 + rng.randrange(10**9), f"{text}Z", f"{text}.{rng.randrange(1000)}+08:00"))
    if key in ("boot", "seq"):
        return rng.randrange(2**31)
    if key in ("valve", "valve_cause"):
        return rng.choice(_VALVES if key == "valve" else _CAUSES)
    if key in _FLAGS:
        return rng.random() < 0.5
    quantity = next(quantity for quantity in QUANTITIES if quantity.name == key)
    # Now and then a little outside what is physically possible.
    return rng.choice(
        (round(rng.uniform(quantity.lowest, quantity.highest), 2), rng.randrange(100), quantity.highest * 1.1)
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _valid(rng: random.Random) -> bytes:
    return _json(reading(rng))


def _array(rng: random.Random) -> bytes:
    return _json([reading(rng) for _ in range(rng.randrange(1, 6))])


def _odd(rng: random.Random) -> bytes:
    """A reading with one value, or one key, that is not what the protocol says."""
    odd = rng.choice(_ODD_VALUES)
    key = rng.choice((*_KEYS, "unknown", "", "SEQ", "seq\\u0000"))
    return _valid(rng)[:-1] + b',"' + key.encode() + b'":' + odd + b"}"


def _damaged(rng: random.Random) -> bytes:
    return _damage(rng, _valid(rng) if rng.random() < 0.7 else _array(rng))


def _damage(rng: random.Random, body: bytes) -> bytes:
    """A few bytes changed, lost, doubled or put in."""
    damaged = bytearray(body)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(damaged) + 1)
        match rng.randrange(5):
            case 0:
                damaged[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del damaged[at : at + rng.randrange(1, 8)]
            case 2:
                damaged[at:at] = damaged[at : at + rng.randrange(1, 30)]
            case 3:
                damaged[at:at] = rng.choice((b'"', b"{", b"}", b",", b":", b"\\", b"\x00", b" ", b"null", b"-"))
            case _:
                del damaged[at:]
    return bytes(damaged)


def _hostile(rng: random.Random) -> bytes:
    return rng.choice(_HOSTILE)
