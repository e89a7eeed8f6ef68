"""The file of brokers (DAVY_BROKERS): read once, validated whole, frozen. Its format: docs/BROKERS.md.

F1  Every fault is named at once: file, place, value, what is allowed. Unknown keys are refused.
F2  A password is never in the file; the file names the file that holds it.
F3  Plain MQTT is for brokers on this machine; beyond it TLS is asked for, unless `allow_plain` says otherwise.
F4  A fault costs the broker it is at, and no other: `read_brokers` gives those that can be used and says the rest. Who
    looks (`load_brokers`) refuses the whole; who protects takes what there is.
F5  The files that a broker names (passwords, certificates) may come later: whoever connects reads them each time.
    `missing_files` says which are not there now.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from davy import values
from davy.exits import CannotGoOn, Exit
from ingest.broker_plan import PATTERN, PLAIN_PORT, PREFIX, TLS_PORT, VERSIONS, Broker, Partition, TlsFiles, overlap

#: A broker's name stands in its link's name, its gauges and its files.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
#: 23 letters and digits are what every broker must take (3.1.1, 3.1.3.1); all known ones take these too.
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_IDENTITY = re.compile(r"[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}\Z")
_USERNAME = re.compile(r"[^\0]{1,256}\Z")
_FILES = ("password_file", "ca_file", "client_cert", "client_key")

Read = Callable[[values.Raw], Any]


def _text(pattern: re.Pattern[str], allowed: str) -> Read:
    def read(raw: values.Raw) -> str:
        if not isinstance(raw, str) or not pattern.match(raw):
            raise ValueError(allowed)
        return raw

    return read


#: Key -> how it is read, and its default (None: not set).
_KEYS: dict[str, tuple[Read, values.Raw | None]] = {
    "host": (values.host, None),
    "port": (values.whole(1, 65_535), None),
    "gateway": (_text(_IDENTITY, "vendor/serial of the registered gateway that stands for the broker"), None),
    "mqtt": (values.one_of(*VERSIONS), "5"),
    "prefix": (_text(PREFIX, "whole topic levels, each ended by a slash, such as site-7/"), ""),
    "username": (_text(_USERNAME, "1 to 256 characters"), None),
    "password_file": (values.file_to_be, None),
    "tls": (values.boolean, False),
    "ca_file": (values.file_to_be, None),
    "client_cert": (values.file_to_be, None),
    "client_key": (values.file_to_be, None),
    "allow_plain": (values.boolean, False),
    "keep_alive_s": (values.whole(5, 3_600), 15),
    "session_expiry_s": (values.whole(60, 0xFFFF_FFFE), 604_800),
    "receive_maximum": (values.whole(20, 65_535), 16_384),
}
_REQUIRED = ("host", "gateway")


@dataclass(frozen=True, slots=True)
class BrokersRead:
    """brokers: those without a fault. faults: one line each, with its place; empty: all is well."""

    brokers: tuple[Broker, ...]
    faults: tuple[str, ...]


def load_brokers(path: Path) -> tuple[Broker, ...]:
    """Every broker of the file. Raises CannotGoOn (usage) with one line per fault."""
    found = read_brokers(path)
    if found.faults:
        raise CannotGoOn(Exit.USAGE, "\n".join(found.faults))
    return found.brokers


def read_brokers(path: Path) -> BrokersRead:
    """The brokers that can be used, and what is wrong with the others. Raises nothing."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as wrong:
        return BrokersRead((), (f"brokers: {path}: {wrong}",))
    faults: list[str] = []
    tables = told.get("brokers", {})
    faults += [f"unknown key {key}; the file holds [brokers.NAME] tables" for key in told if key != "brokers"]
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        faults.append("brokers must be tables: [brokers.NAME]")
        tables = {}
    brokers = [_broker(name, table, path.absolute().parent, faults) for name, table in tables.items()]
    usable = _without_conflicts([broker for broker in brokers if broker is not None], faults)
    return BrokersRead(usable, tuple(f"brokers: {path.name}: {fault}" for fault in faults))


def missing_files(brokers: tuple[Broker, ...]) -> tuple[str, ...]:
    """One line for each file that a broker names and that cannot be read now: until it can, that broker is away."""
    faults: list[str] = []
    for broker in brokers:
        tls = broker.tls or TlsFiles()
        named_files = {
            "password_file": broker.password_file,
            "ca_file": tls.authority,
            "client_cert": tls.certificate,
            "client_key": tls.key,
        }
        for key, path in named_files.items():
            if path is not None and not (os.path.isfile(path) and os.access(path, os.R_OK)):  # noqa: PTH113  never raises
                faults.append(f"brokers.{broker.name}.{key}: there is no file {path} that can be read")
    return tuple(faults)


def named(brokers: tuple[Broker, ...], name: str) -> Broker:
    """Raises CannotGoOn (usage)."""
    for broker in brokers:
        if broker.name == name:
            return broker
    there = ", ".join(broker.name for broker in brokers) or "none"
    raise CannotGoOn(Exit.USAGE, f"no broker {name!r} in the file of brokers; there are: {there}")


def _broker(name: str, table: dict[str, Any], folder: Path, faults: list[str]) -> Broker | None:
    before = len(faults)
    if not _NAME.match(name):
        faults.append(f"[brokers.{name}]: the name must be 1 to 32 of a-z 0-9 - and begin with a letter or digit")
    partitions = _partitions(name, table.pop("partitions", None), faults)
    found = _values(name, table, folder, faults)
    faults += [f"brokers.{name}.{key} is not set; it must be" for key in _REQUIRED if found.get(key) is None]
    faults += _security_faults(name, found)
    named = found["username"] is not None or (bool(partitions) and all(one.username for one in partitions))
    if found["password_file"] is not None and not named:
        faults.append(f"brokers.{name}.password_file is set without username")
    if len(faults) > before:
        return None
    tls = TlsFiles(found["ca_file"], found["client_cert"], found["client_key"]) if found["tls"] else None
    return Broker(
        name=name,
        gateway=found["gateway"],
        host=found["host"],
        port=found["port"] or (TLS_PORT if tls else PLAIN_PORT),
        partitions=partitions,
        version=VERSIONS[found["mqtt"]],
        prefix=found["prefix"],
        username=found["username"] or "",
        password_file=found["password_file"],
        tls=tls,
        keep_alive_s=found["keep_alive_s"],
        session_expiry_s=found["session_expiry_s"],
        receive_maximum=found["receive_maximum"],
    )


def _values(name: str, table: dict[str, Any], folder: Path, faults: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {key: default for key, (_, default) in _KEYS.items()}
    for key, raw in table.items():
        place = f"brokers.{name}.{key}"
        if key == "password":
            faults.append(
                f"{place}: a password does not belong in this file; put it in one of its own, mode 0600, and "
                "name that one as password_file"
            )
        elif key not in _KEYS:
            faults.append(f"{place}: unknown key; there are {', '.join(_KEYS)}, and [[brokers.{name}.partitions]]")
        elif not isinstance(raw, str | int | float | bool):
            faults.append(f"{place} must be a single value, not {type(raw).__name__}")
        else:
            try:
                if key in _FILES and isinstance(raw, str) and raw.strip():
                    raw = os.path.normpath(folder / Path(raw).expanduser())
                found[key] = _KEYS[key][0](raw)
            except (ValueError, OSError) as wrong:
                faults.append(f"{place} = {raw!r}: must be {wrong}")
    return found


def _security_faults(name: str, found: dict[str, Any]) -> list[str]:
    place, faults = f"brokers.{name}", []
    if (found["client_cert"] is None) != (found["client_key"] is None):
        faults.append(f"{place}: client_cert and client_key go together")
    if not found["tls"]:
        told = [key for key in ("ca_file", "client_cert", "client_key") if found[key] is not None]
        faults += [f"{place}.{key} is set without tls = true" for key in told]
        if found["host"] is not None and not values.is_loopback(found["host"]) and not found["allow_plain"]:
            faults.append(
                f"{place}.host = {found['host']!r}: plain MQTT beyond this machine is refused; set tls = true, or "
                "allow_plain = true where something else protects it"
            )
    return faults


def _partitions(name: str, told: object, faults: list[str]) -> tuple[Partition, ...]:
    place = f"brokers.{name}.partitions"
    if not isinstance(told, list) or not told:
        faults.append(f"{place}: at least one [[{place}]] with client_id and devices is needed")
        return ()
    found: list[Partition] = []
    for number, table in enumerate(told, start=1):
        at = f"{place}, the {number}."
        if not isinstance(table, dict) or table.keys() - {"username"} != {"client_id", "devices"}:
            faults.append(f"{at}: must have client_id and devices, may have username, and nothing else")
            continue
        client_id, devices, username = table["client_id"], table["devices"], table.get("username", "")
        if not isinstance(client_id, str) or not _CLIENT_ID.match(client_id):
            faults.append(f"{at}: client_id = {client_id!r} must be 1 to 64 of A-Z a-z 0-9 _ -")
        elif not isinstance(devices, list) or not devices or not all(map(_is_pattern, devices)):
            faults.append(f"{at}: devices = {devices!r} must be a list of vendor/serial, vendor/+ or +/+")
        elif "username" in table and not (isinstance(username, str) and _USERNAME.match(username)):
            faults.append(f"{at}: username = {username!r} must be 1 to 256 characters")
        else:
            found.append(Partition(client_id, tuple(devices), username))
    patterns = [(pattern, one.client_id) for one in found for pattern in one.devices]
    for (one, whose), (other, whose_2) in combinations(patterns, 2):
        if overlap(one, other):
            faults.append(
                f"{place}: {one!r} of {whose} and {other!r} of {whose_2} mean the same devices, whose "
                "messages would come twice; let each device match one pattern"
            )
    return tuple(found)


def _is_pattern(pattern: object) -> bool:
    return isinstance(pattern, str) and PATTERN.match(pattern) is not None


def _without_conflicts(brokers: list[Broker], faults: list[str]) -> tuple[Broker, ...]:
    """A client identifier names one session: two partitions of one broker with the same would throw each other out. The
    first that uses it keeps it."""
    seen: dict[tuple[str, int, str], str] = {}
    good: list[Broker] = []
    for broker in brokers:
        before = len(faults)
        mine = [(_place(broker.host), broker.port, partition.client_id) for partition in broker.partitions]
        for number, key in enumerate(mine):
            first = broker.name if key in mine[:number] else seen.get(key)
            if first is not None:
                faults.append(
                    f"client_id {key[2]!r} is used twice at {broker.host}:{broker.port} "
                    f"({first} and {broker.name}); give each partition its own"
                )
        if len(faults) == before:
            good.append(broker)
            seen |= dict.fromkeys(mine, broker.name)
    return tuple(good)


def _place(host: str) -> str:
    """One spelling of a host for its several. Names beyond this machine are not looked up: their meaning may change."""
    text = host.lower().rstrip(".")
    if text in ("localhost", "::1"):
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
