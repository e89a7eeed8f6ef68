"""Device models: what every device of one make has in common. One TOML file per model stands beside this module."""

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

from devices.model_check import model_faults
from devices.quantities import QUANTITY_NAMES
from devices.register_map import RegisterMap
from devices.typed_faults import typed_faults

#: The catalogue that Davy brings.
BUILT_IN = Path(__file__).parent


class DeviceKind(StrEnum):
    """DETECTOR measures gas. SHUT_OFF_VALVE takes CLOSE. SELF_CLOSING_VALVE (CJ/T 447) closes unpowered, is reopened
    by hand and only reports. GATEWAY publishes for the devices registered behind it. FAN takes FAN_ON."""

    DETECTOR = "detector"
    SHUT_OFF_VALVE = "shut_off_valve"
    SELF_CLOSING_VALVE = "self_closing_valve"
    GATEWAY = "gateway"
    FAN = "fan"


class Tier(StrEnum):
    """LOW: bought for price, a radio or a wire at most. MID: a certified detector with a bus. HIGH: industrial, with
    self-diagnosis."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


class Reachability(StrEnum):
    """CONNECTED: hears a command at once while its link is up. WAKES: sleeps, and hears only when it next reports."""

    CONNECTED = "connected"
    WAKES = "wakes"


class ValveTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the valve is. `type` in the field's words (emergency shut-off, self-closing, motorised ball ...);
    `fail_position`: where it goes by itself when its power or signal is gone."""

    type: str
    fail_position: Literal["closed", "open", "stays"]


class Actuator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a valve or a fan that takes commands promises. Only a model that declares one can be sent a command."""

    #: A CLOSE not seen closed by then raises its own critical alarm, and attempts go on (G7).
    confirm_within_s: float = 10.0
    #: An attempt not delivered by then must never run (G8); a fresh one follows.
    attempt_expires_s: float = 30.0
    #: False: the valve cannot report where it stands, so a CLOSE ends `unverifiable`, never `confirmed`. Of a fan: it
    #: answers a command once it runs; one that does not ends `unverifiable` when it has the command.
    reports_position: bool = True
    reachability: Reachability = Reachability.CONNECTED
    #: A valve that WAKES does so at least this often; 0 for one that is always there.
    wake_interval_s: float = 0.0


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A golden example: a payload as sent, and what it must mean (or, for a bad one, why it is refused)."""

    payload: str
    expect: dict[str, float | int | str | bool] = {}
    refused: str = ""


class DeviceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model. `key` is its file's stem and what the registry names."""

    key: str
    #: As in the device's identity: lower case, no blanks.
    vendor: str
    #: What people call it; a vendor's own words.
    name: str
    kind: DeviceKind
    #: Where the facts are from: a document with its number and page.
    source: str
    #: The device promises a reading at least this often (0.05 s to 366 days); 3 x it without one is silence. 0, of a
    #: gateway: it sends none of its own, so it cannot be silent; whether it can be reached is said by what reaches it.
    report_interval_s: float
    #: A device time older than this is not believed (the clock is suspect); younger is backfill or a slow link.
    max_age_s: float = 7 * 86_400.0
    #: The combustible or toxic gas it is calibrated for, as a formula (CH4, C3H8, CO); several with blanks between.
    gas: str = ""
    #: %vol of this gas that is 100 %LEL on the scale the device reports in: 5.0 (ISO 10156) or 4.4 (IEC 60079-20-1).
    lel_percent_vol: float | None = None
    #: The quantities it reports; empty: not known. A rule on a quantity that is not among them goes by the device's own
    #: flags alone, so that their end is the alarm's end.
    measures: tuple[str, ...] = ()
    #: What each of them can show, lowest and highest, in the canonical unit.
    ranges: dict[str, tuple[float, float]] = {}
    #: False: the facts are second-hand (a manual's excerpt, somebody's source code), not tried on the device.
    verified: bool = True
    #: low, mid or high; None: not known.
    tier: Tier | None = None
    #: The sensing element's life from its installation. None: not known; then that of CJJ/T 146 (devices/fleet.py).
    life_days: int | None = None
    #: Standards a device of this model must hold a certificate of, as the field writes them ("GB 15322.1-2019").
    certificates: tuple[str, ...] = ()
    #: What kind of valve it is, and where it goes by itself when its power is gone.
    valve: ValveTraits | None = None
    #: How it is read and commanded on a bus; None: it speaks the native protocol.
    modbus: RegisterMap | None = None
    #: What a shut_off_valve promises about CLOSE, or a fan about FAN_ON; no other kind may have it.
    actuator: Actuator | None = None
    #: Golden examples of the native protocol; those of a register map stand in [[modbus.example]].
    example: tuple[Example, ...] = ()


def load_model(path: Path) -> DeviceModel:
    """The model in one TOML file. Raises ValueError with one line for every fault: file, key and reason; OSError.
    `measures` of a model with a register map is what the map reads. Golden examples are not run
    (`devices/register_examples.py`).
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong
    return parse_model(path.stem, text, str(path))


def parse_model(key: str, text: str, where: str) -> DeviceModel:
    """The model of a document that is no file; `where` is what its faults call it. Raises ValueError as load_model."""
    try:
        said = tomllib.loads(text) | {"key": key}
    except (tomllib.TOMLDecodeError, RecursionError) as wrong:
        raise ValueError(f"{where}: {wrong}") from wrong
    try:
        model = msgspec.convert(said, DeviceModel)
    except msgspec.ValidationError as wrong:
        raise _refused(where, typed_faults(said, DeviceModel) or [("", str(wrong))]) from wrong
    faults = model_faults(model)
    if faults:
        raise _refused(where, faults)
    if model.modbus is not None:
        mapped = {field.quantity for field in model.modbus.field}
        model = msgspec.structs.replace(model, measures=tuple(name for name in QUANTITY_NAMES if name in mapped))
    return model


def _refused(where: str, faults: list[tuple[str, str]]) -> ValueError:
    return ValueError("\n".join(": ".join(part for part in (where, *fault) if part) for fault in faults))


def load_catalogue(*folders: Path) -> tuple[DeviceModel, ...]:
    """Every model that Davy brings, by file name, then those of `folders`. Raises ValueError with every fault of every
    file; two files of one name are a fault, since the registry could mean either."""
    models: dict[str, DeviceModel] = {}
    where: dict[str, Path] = {}
    faults: list[str] = []
    for folder in (BUILT_IN, *folders):
        for path in sorted(folder.glob("*.toml")):
            if path.stem in where:
                faults.append(f"{path}: key: {path.stem} is the model of {where[path.stem]} already")
                continue
            where[path.stem] = path
            try:
                models[path.stem] = load_model(path)
            except ValueError as wrong:
                faults.append(str(wrong))
            except OSError as wrong:
                faults.append(f"{path}: is no file that can be read: {wrong.strerror}; take it away or mend it")
    if faults:
        raise ValueError("\n".join(faults))
    return tuple(models.values())
