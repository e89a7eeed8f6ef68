"""A Modbus register map as data: what the `[modbus]` part of a model file may say. Frozen declarations, no behaviour.

M1  Everything that can be written is listed in `command`; nothing else of a device is ever written. There is no verb
    that opens a valve.
M2  A field says how words become a number; what the number means is said once: by its `quantity`, or by the conditions
    (`flag`, `quality`, `valve`, `check`) that name the field.
M3  Words go over the wire high byte first (Modbus application protocol 1.1b3, section 4.2). `byte_order` and
    `word_order` are for devices that do otherwise, each by itself: big+big is ABCD, big bytes and little words CDAB,
    little bytes and big words BADC, little+little DCBA. Bytes are swapped in every word of a field, text too; words
    are reversed in u32, s32 and f32 only. `byte` and `bits` are taken after that, and the sign of s16 and s32 is the
    highest bit of what they leave.
M4  A raw number that is none (an f32 that is NaN, a bcd16 digit above 9) satisfies `none_of`, and `one_of` that lists
    nan, and no other condition.
"""

from enum import StrEnum
from typing import Literal

import msgspec


class Space(StrEnum):
    """The four tables of the Modbus data model (1.1b3, section 4.3). The first two hold bits, the others 16-bit words.
    They are never mixed in one request."""

    COIL = "coil"
    DISCRETE = "discrete"
    INPUT = "input"
    HOLDING = "holding"


class Notation(StrEnum):
    """How addresses are written in a file. MODICON: 40001 is holding register 0, 30001 input register 0, 10001
    discrete input 0, and 1 coil 0 (six digits, 400001, work too). ZERO_BASED: the address on the wire. ONE_BASED: as
    panels print it, one more than on the wire. `base` is added to each in all of them."""

    MODICON = "modicon"
    ZERO_BASED = "zero_based"
    ONE_BASED = "one_based"


Order = Literal["big", "little"]
#: "bit" is of coils and discrete inputs. "bcd16": four decimal digits, 0x0209 is 209. "ascii": two characters a word.
Type = Literal["bit", "u16", "s16", "u32", "s32", "f32", "bcd16", "ascii"]
DoubtWord = Literal["not_measured", "out_of_range", "sensor_fault", "warm_up", "inhibited", "stale", "sentinel"]
PositionWord = Literal["open", "opening", "closed", "closing", "fault"]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Term(_Part, frozen=True):
    """One condition on the raw number of a field (before scale). Exactly one of the tests is given. Conditions listed
    together must all hold."""

    field: str
    #: This bit of it, 0 the lowest, is 1 (or 0, with `set = false`).
    bit: int | None = None
    set: bool = True
    one_of: tuple[float, ...] = ()
    none_of: tuple[float, ...] = ()
    #: Strictly.
    above: float | None = None
    below: float | None = None


class UnitCode(_Part, frozen=True):
    """What a device's unit code means: the value is multiplied by `scale` to be in the quantity's own unit."""

    code: int
    scale: float = 1.0


class Unit(_Part, frozen=True):
    """Another field says in which unit the value is. A code that is not listed: SENSOR_FAULT, the value is unknown."""

    field: str
    codes: tuple[UnitCode, ...]


class Ramp(_Part, frozen=True):
    """A straight line between two points, as of a 4 to 20 mA count."""

    raw: tuple[float, float]
    value: tuple[float, float]


class Field(_Part, frozen=True):
    """One number (or text) in the registers."""

    #: How the rest of the map, `extra` and the screens call it.
    name: str
    #: In the map's notation; TOML writes hexadecimal as 0x6001.
    at: int
    #: Needed unless the notation says it.
    space: Space | None = None
    #: bit (of coils and discrete inputs), u16, s16, u32, s32, f32, bcd16 (four decimal digits, 0x0209 is 209) or ascii
    #: (two characters a word).
    type: Type = "u16"
    #: Only for ascii: how many registers.
    words: int = 0
    #: Only one half of a 16-bit word.
    byte: Literal["high", "low"] | None = None
    #: First and last bit of the word, or of the half, inclusive; 0 is the lowest. A nibble is [4, 7].
    bits: tuple[int, int] | None = None
    #: Only where this field differs from the map's. little: the low word has the lower address.
    word_order: Order | None = None
    #: Only where this field differs from the map's. little: the low byte of each word comes first.
    byte_order: Order | None = None
    #: Registers (or bits) from one channel's to the next. 0: all channels share it. Arrays of structures have the same
    #: stride at every field, structures of arrays each its own.
    stride: int = 0

    #: The canonical quantity this is; empty: it only serves others. value = raw x scale + offset, or by `ramp`; then
    #: `decimals`, `sign`, `full_scale` and `unit`, in this order. The fields that decimals, sign and unit name count
    #: with their raw number.
    quantity: str = ""
    #: What one count is in the quantity's own unit.
    scale: float = 1.0
    #: Added after the scale.
    offset: float = 0.0
    #: Instead of scale and offset.
    ramp: Ramp | None = None
    #: A field whose number says how many decimals the value has: it is divided by 10 to that power. More than 6:
    #: SENSOR_FAULT.
    decimals: str = ""
    #: A field that is not 0 when the value is negative.
    sign: str = ""
    #: The value is in % of this: a number in the quantity's unit, or the field that holds it, with its own scale,
    #: offset, ramp, decimals and sign. Not above 0: SENSOR_FAULT.
    full_scale: float | str | None = None
    #: Another field says in which unit the value is.
    unit: Unit | None = None
    #: Raw numbers that are no measurement: SENTINEL.
    sentinels: tuple[float, ...] = ()
    #: Raw numbers outside of this are no measurement: OUT_OF_RANGE.
    valid: tuple[float, float] | None = None
    #: Kept in `extra` under its name whenever its raw number is not 0 (or the text not empty), scaled as a value is.
    #: For fault numbers, days left, serials.
    extra: bool = False


class FlagWhen(_Part, frozen=True):
    """A device flag (a lower-case name of DEVICE_FLAGS) is set when all of `when` hold. Several entries: when any
    does."""

    flag: str
    when: tuple[Term, ...]


class QualityWhen(_Part, frozen=True):
    """The quantities `of` (empty: all that this map measures) have this quality when all of `when` hold. The first
    entry that holds counts, and goes before what the value itself says. In a map that measures nothing (a valve), a
    `stale` entry makes the whole reading one of a dead device."""

    quality: DoubtWord
    when: tuple[Term, ...]
    of: tuple[str, ...] = ()


class ValveWhen(_Part, frozen=True):
    """The valve stands so when all of `when` hold. The first entry that holds counts; none: unknown."""

    position: PositionWord
    when: tuple[Term, ...]
    #: A lower-case name of ValveCause.
    cause: str = ""


class Check(_Part, frozen=True):
    """What every true answer of this model satisfies. An answer that does not is another device's or a gateway's
    invention (some return 0 for registers nobody has): it goes to quarantine with `reason`."""

    when: tuple[Term, ...]
    reason: str


class Span(_Part, frozen=True):
    """Addresses the device answers for, first and last, in the map's notation."""

    first: int
    last: int
    space: Space | None = None


class Serial(_Part, frozen=True):
    """How the device's serial line is set when it is delivered."""

    baud: int = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1


class Heartbeat(_Part, frozen=True):
    """A field that changes by itself while the device lives. When it stands still for longer than `within_s`, the
    reply is of a dead device: STALE."""

    field: str
    within_s: float


class Write(_Part, frozen=True):
    """One write request: function 5 (one coil), 6 (one register), 15 (coils) or 16 (registers)."""

    function: Literal[5, 6, 15, 16]
    at: int
    #: Coils: 0 or 1. Registers: 16-bit words. Exactly one for functions 5 and 6.
    values: tuple[int, ...]
    #: As of a field: from one channel's address to the next.
    stride: int = 0
    #: Pause after it.
    pause_ms: float = 0.0
    #: Read after the pause; when they do not hold, the attempt failed and says so (the result of an unlock).
    then: tuple[Term, ...] = ()


class CommandProcedure(_Part, frozen=True):
    """How a command is carried out: `write` in order, each answered by the device's echo. LATCHED: the command stays
    until the device is done. ONE_SHOT: a pulse; after `pulse_ms`, `release` is written, whatever became of the rest."""

    verb: Literal["close", "fan_on"]
    style: Literal["latched", "one_shot"]
    write: tuple[Write, ...]
    pulse_ms: float = 0.0
    release: tuple[Write, ...] = ()


class Words(_Part, frozen=True):
    """Registers (or bits) as a device holds them, from `at`."""

    at: int
    words: tuple[int, ...]
    space: Space | None = None


class RegisterExample(_Part, frozen=True):
    """A golden example: registers as read, and what they must mean. What is not listed reads 0. `expect`: a quantity's
    number, or a quality word for one that may not be believed; a flag's boolean (those not named are not set); `valve`
    and `valve_cause` as words; any other name is of `extra`. `refused`: part of the reason why it is quarantined."""

    title: str
    registers: tuple[Words, ...]
    expect: dict[str, float | int | str | bool] = {}
    refused: str = ""
    channel: int = 1


class RegisterMap(_Part, frozen=True):
    """The `[modbus]` part of a model file."""

    field: tuple[Field, ...]
    #: How all addresses of this map are written.
    notation: Notation = Notation.MODICON
    #: Added to every address. A device's own base, set in its menu, stands in the registry and is added to this.
    base: int = 0
    #: little: the low byte of each word comes first.
    byte_order: Order = "big"
    #: little: of two words the low one has the lower address.
    word_order: Order = "big"
    #: Measuring points of one unit; each is a device of its own.
    channels: int = 1
    #: Where reads may join over addresses that no field needs. None: a read holds nothing but fields.
    readable: tuple[Span, ...] = ()
    #: The most a device gives in one reply. 125 and 2000 are the protocol's own (1.1b3, sections 6.1 and 6.3).
    most_registers: int = 125
    most_bits: int = 2000
    #: Registers nobody needs that a read may carry to spare a request.
    most_gap: int = 16
    #: Least pause between a reply and the next request to this unit.
    gap_ms: float = 0.0
    #: No reply by then is none.
    reply_within_ms: float = 1000.0
    serial: Serial | None = None
    heartbeat: Heartbeat | None = None
    flag: tuple[FlagWhen, ...] = ()
    quality: tuple[QualityWhen, ...] = ()
    valve: tuple[ValveWhen, ...] = ()
    check: tuple[Check, ...] = ()
    command: tuple[CommandProcedure, ...] = ()
    example: tuple[RegisterExample, ...] = ()
