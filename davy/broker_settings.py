"""The file of brokers (DAVY_BROKERS): read once, validated whole, frozen. Its format: docs/BROKERS.md.

F1  Every fault is named at once: file, place, value, what is allowed. Unknown keys are refused.
F2  A password is never in the file; the file names the file that holds it.
F3  Plain MQTT is for brokers on this machine; beyond it TLS is asked for, unless `allow_plain` says otherwise.
"""

import os
import re
import tomllib
from collections.abc import Callable
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
    "username": (_text(re.compile(r"[^\0]{1,256}\Z"), "1 to 256 characters"), None),
    "password_file": (values.file, None),
    "tls": (values.boolean, False),
    "ca_file": (values.file, None),
    "client_cert": (values.file, None),
    "client_key": (values.file, None),
    "allow_plain": (values.boolean, False),
    "keep_alive_s": (values.whole(5, 3_600), 15),
    "session_expiry_s": (values.whole(60, 0xFFFF_FFFE), 604_800),
    "receive_maximum": (values.whole(20, 65_535), 16_384),
}
_REQUIRED = ("host", "gateway")


def load_brokers(path: Path) -> tuple[Broker, ...]:
    """Every broker of the file. Raises CannotGoOn (usage) with one line per fault."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"brokers: {path}: {wrong}") from wrong
    faults: list[str] = []
    tables = told.get("brokers", {})
    faults += [f"unknown key {key}; the file holds [brokers.NAME] tables" for key in told if key != "brokers"]
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        faults.append("brokers must be tables: [brokers.NAME]")
        tables = {}
    brokers = [_broker(name, table, path.absolute().parent, faults) for name, table in tables.items()]
    found = [broker for broker in brokers if broker is not None]
    faults += _conflicts(found)
    if faults:
        raise CannotGoOn(Exit.USAGE, "\n".join(f"brokers: {path.name}: {fault}" for fault in faults))
    return tuple(found)


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
    if found["password_file"] is not None and found["username"] is None:
        faults.append(f"{place}.password_file is set without username")
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
        if not isinstance(table, dict) or table.keys() != {"client_id", "devices"}:
            faults.append(f"{at}: must have client_id and devices, and nothing else")
            continue
        client_id, devices = table["client_id"], table["devices"]
        if not isinstance(client_id, str) or not _CLIENT_ID.match(client_id):
            faults.append(f"{at}: client_id = {client_id!r} must be 1 to 64 of A-Z a-z 0-9 _ -")
        elif not isinstance(devices, list) or not devices or not all(map(_is_pattern, devices)):
            faults.append(f"{at}: devices = {devices!r} must be a list of vendor/serial, vendor/+ or +/+")
        else:
            found.append(Partition(client_id, tuple(devices)))
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


def _conflicts(brokers: list[Broker]) -> list[str]:
    """A client identifier names one session: two partitions of one broker with the same would throw each other out."""
    seen: dict[tuple[str, int, str], str] = {}
    faults: list[str] = []
    for broker in brokers:
        for partition in broker.partitions:
            key = broker.host, broker.port, partition.client_id
            if key in seen:
                faults.append(
                    f"client_id {partition.client_id!r} is used twice at {broker.host}:{broker.port} "
                    f"({seen[key]} and {broker.name}); give each partition its own"
                )
            seen[key] = broker.name
    return faults
