"""Which site must have which device by when: a policy as data, one TOML file a version in devices/policies/.

Two versions of one plan may contradict each other (a text can say two days for one thing): a version is a file, is
named in every figure made by it, and is never edited once figures were published by it.
"""

import hashlib
import tomllib
from collections.abc import Iterator
from datetime import date, time
from enum import StrEnum
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

import msgspec

from devices.models import DeviceKind, Tier

#: The policies that Davy brings.
BUILT_IN = Path(__file__).parent / "policies"


class Condition(StrEnum):
    """What a device that is there must meet to count."""

    REPORTING = "reporting"
    CALIBRATION = "calibration"
    LIFE = "life"
    RULES = "rules"
    CLOSING = "closing"


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Months are of the calendar; each number's source stands beside it in the file."""

    reporting_within_s: int
    calibration_months: int
    closing_months: int
    evidence_months: int
    contact_months: int


class DeviceTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """evidence_tiers: devices of these tiers need not report, and count by dated evidence from the site instead."""

    kind: DeviceKind
    conditions: tuple[Condition, ...]
    source: str
    evidence_tiers: tuple[Tier, ...] = ()


class SiteClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of sites; a site is of the first that it fits. `neighbourhood` and `hardship`: only such; empty and
    False: any."""

    key: str
    name: str
    name_en: str
    users: Literal["unit", "resident"]
    stock: Literal["new", "existing"]
    neighbourhood: Literal["", "old"] = ""
    hardship: bool = False


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sites of these classes must have such a device: by a day (that day is still in time), when their gas is turned
    on, or without a day. above_m: only where the building is higher. target_pct None: no share was set."""

    classes: tuple[str, ...]
    device: DeviceKind
    source: str
    quote: str
    above_m: float | None = None
    by: date | None = None
    at_gas_on: bool = False
    target_pct: int | None = None


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When reports are due, in the area's own time. weekday as in ISO 8601, Monday 1; or day_of_month."""

    phase: str
    phase_en: str
    since: date
    at: time
    until: date | None = None
    weekday: int | None = None
    day_of_month: int | None = None


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"classes": "class", "clauses": "clause"}):
    """`key` is the file's stem; `sha256` of its bytes, so that a figure names exactly what it was made by. area: whose
    it is, a code of GB/T 2260; timezone: that of its days."""

    key: str
    sha256: str
    name: str
    name_en: str
    source: str
    area: str
    timezone: str
    new_since: date
    supplies: tuple[str, ...]
    numbers: Numbers
    device: tuple[DeviceTerms, ...]
    classes: tuple[SiteClass, ...]
    clauses: tuple[Clause, ...]
    schedule: tuple[Schedule, ...] = ()

    def class_names(self) -> tuple[str, ...]:
        return tuple(one.key for one in self.classes)

    def terms(self, kind: DeviceKind) -> DeviceTerms:
        return next(one for one in self.device if one.kind is kind)

    def kinds(self) -> tuple[DeviceKind, ...]:
        """The kinds that some clause asks for, in the order of `device`."""
        asked = {clause.device for clause in self.clauses}
        return tuple(one.kind for one in self.device if one.kind in asked)


def load_policy(path: Path) -> Policy:
    """The policy in one TOML file. Raises ValueError with one line for every fault; OSError."""
    body = path.read_bytes()
    try:
        said = tomllib.loads(body.decode()) | {"key": path.stem, "sha256": hashlib.sha256(body).hexdigest()}
        policy = msgspec.convert(said, Policy)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong
    if faults := list(policy_faults(policy)):
        raise ValueError("\n".join(f"{path}: {fault}" for fault in faults))
    return policy


def encode_policy(policy: Policy) -> str:
    """As the database keeps it, so that what was published by it can be read when its file has gone."""
    return msgspec.json.encode(policy).decode()


def decode_policy(text: str) -> Policy:
    """The inverse. Raises ValueError."""
    return msgspec.json.decode(text, type=Policy)


def load_policies(*folders: Path) -> dict[str, Policy]:
    """Those that Davy brings, then those of `folders`, by key. Raises ValueError; two of one key are a fault, because a
    figure names its policy by it."""
    found: dict[str, Policy] = {}
    for folder in (BUILT_IN, *folders):
        for path in sorted(folder.glob("*.toml")):
            if path.stem in found:
                raise ValueError(f"{path}: there is a policy {path.stem} already; give this version a name of its own")
            found[path.stem] = load_policy(path)
    return found


def policy_faults(policy: Policy) -> Iterator[str]:
    """What is wrong with a policy, each with place, reason and remedy."""
    names = policy.class_names()
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"class {name}: stands there twice; keep one"
    with_terms = [one.kind for one in policy.device]
    for kind in sorted({kind for kind in with_terms if with_terms.count(kind) > 1}):
        yield f"device {kind}: stands there twice; keep one"
    for number in policy.numbers.__struct_fields__:
        if getattr(policy.numbers, number) < 1:
            yield f"numbers.{number}: must be 1 or more"
    for n, clause in enumerate(policy.clauses, 1):
        for name in clause.classes:
            if name not in names:
                yield f"clause {n}: no class {name}; there are {', '.join(names)}"
        if clause.device not in with_terms:
            yield f"clause {n}: what a {clause.device} must meet is not said; add a [[device]] of this kind"
        if clause.by is not None and clause.at_gas_on:
            yield f"clause {n}: is due by a day and at gas-on; keep one"
        if clause.target_pct is not None and not 0 <= clause.target_pct <= 100:
            yield f"clause {n}: target_pct {clause.target_pct} must be from 0 to 100"
    if policy.timezone not in available_timezones():
        yield f"timezone: {policy.timezone!r} is no time zone; write one such as Asia/Shanghai"
    for n, due in enumerate(policy.schedule, 1):
        if (due.weekday is None) == (due.day_of_month is None):
            yield f"schedule {n}: needs weekday or day_of_month, and not both"
        if due.weekday is not None and not 1 <= due.weekday <= 7:
            yield f"schedule {n}: weekday {due.weekday} must be from 1 (Monday) to 7"
        if due.day_of_month is not None and not 1 <= due.day_of_month <= 28:
            yield f"schedule {n}: day_of_month {due.day_of_month} must be from 1 to 28, which every month has"
