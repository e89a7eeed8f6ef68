"""Settings: read once, from the environment (`DAVY_*`) and one TOML file, validated whole, frozen.

S1  The environment wins over the file; the file is DAVY_CONFIG, or ./davy.toml where that exists (DAVY_CONFIG="" reads
    none). Relative paths in the file are relative to the file.
S2  Every fault is named at once: the key, the value, what is allowed. Unknown keys are refused, so that a misspelt
    limit does not silently stay at its default. Values of secret keys are not repeated.
S3  Plain MQTT and HTTP are for this machine only: beyond loopback TLS is asked for, unless `allow_plain` says that
    something else (a proxy, a closed network) protects them.
"""

import difflib
import hashlib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from davy import values
from davy.exits import CannotGoOn, Exit
from davy.values import Raw

#: sockaddr_un holds 108 bytes with its final NUL on Linux (104 on macOS); a path must stay below the smaller.
LONGEST_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting; `KEYS` says what each may be. Paths are absolute."""

    data: Path
    database_url: str | None
    mqtt_host: str
    mqtt_port: int
    mqtt_tls_cert: Path | None
    mqtt_tls_key: Path | None
    mqtt_client_ca: Path | None
    http_host: str
    http_port: int
    http_tls_cert: Path | None
    http_tls_key: Path | None
    allow_plain: bool
    store_cap_bytes: int
    store_reserve_pct: int
    checkpoint_s: int
    retention_raw_days: int
    retention_1m_days: int
    rules: Path | None
    rule_packs: tuple[str, ...] | None
    models: Path | None
    coverage_policies: Path | None
    brokers: Path | None
    master_key_file: Path | None
    oidc_issuer: str | None
    oidc_client: str | None
    oidc_audience: str | None
    audit_publish: Path | None
    audit_every_s: int
    mode: str
    log_level: str
    log_json: bool

    @property
    def engine_store(self) -> Path:
        return self.data / "engine.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.data / "checkpoints"

    @property
    def broker_sessions(self) -> Path:
        """At which brokers a session of ours should stand, so that a lost one is noticed."""
        return self.data / "broker-sessions.json"

    @property
    def door(self) -> Path:
        """The engine's local socket: in the data folder, or, where that path is too long for a socket, in
        `runtime_folder`."""
        inside = self.data / "door.sock"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
            return inside
        return self.runtime_folder / "door.sock"

    @property
    def runtime_folder(self) -> Path:
        """A short folder for sockets, the same for every process that names this data folder. Whoever uses it makes it
        by `davy.folders.private_folder`, which refuses one that somebody else made."""
        return Path("/tmp") / f"davy-{self.data_id}"  # noqa: S108  owner and mode are checked before use

    @property
    def data_id(self) -> str:
        """12 hex digits that stand for the data folder's path."""
        return hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's home, unless `postgres_note` names another place."""
        return self.data / "postgres"

    @property
    def postgres_note(self) -> Path:
        return self.data / "postgres-is-at"

    @property
    def admin_token(self) -> Path:
        return self.data / "admin-token"

    @property
    def master_key(self) -> Path:
        """What wraps the keys of personal data (davy/master_key.py)."""
        return self.master_key_file or self.data / "master-key"

    @property
    def audit_key(self) -> Path:
        """The key that signs where the record stands (Ed25519, PEM)."""
        return self.data / "audit-key"

    @property
    def access_file(self) -> Path:
        """Who may sign in, as hashes, for when the database is away (api/access_file.py)."""
        return self.data / "access.snapshot"

    @property
    def demo_marker(self) -> Path:
        return self.data / "demo"

    @property
    def lock(self) -> Path:
        return self.data / "up.lock"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    def environment(self) -> dict[str, str]:
        """These very settings as DAVY_* variables, for a child process; no file is read there."""
        told = {"DAVY_CONFIG": ""}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                told[variable(field.name)] = _written(value)
        return told


def _written(value: object) -> str:
    """A value as text that is read as the same value."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: how it is read, what it is by default (as text; None: not set), and what it means."""

    read: Callable[[Raw], Any]
    default: str | None
    meaning: str
    secret: bool = False


KEYS: dict[str, Key] = {
    "data": Key(values.folder, ".davy", "the data folder"),
    "database_url": Key(values.database_url, None, "a PostgreSQL server; not set: the embedded one", secret=True),
    "mqtt_host": Key(values.host, "127.0.0.1", "address devices connect to"),
    "mqtt_port": Key(values.whole(1, 65535), "1883", "its port"),  # 1883: IANA's mqtt
    "mqtt_tls_cert": Key(values.file, None, "certificate chain (PEM); set: MQTT by TLS only"),
    "mqtt_tls_key": Key(values.file, None, "its private key (PEM)"),
    "mqtt_client_ca": Key(values.file, None, "authority of client certificates (PEM); set: mutual TLS"),
    "http_host": Key(values.host, "127.0.0.1", "address of the API"),
    "http_port": Key(values.whole(1, 65535), "8080", "its port"),
    "http_tls_cert": Key(values.file, None, "certificate chain (PEM); set: HTTPS only"),
    "http_tls_key": Key(values.file, None, "its private key (PEM)"),
    "allow_plain": Key(values.boolean, "false", "plain MQTT and HTTP beyond this machine"),
    "store_cap_bytes": Key(values.size_bytes(64 << 20), "4GiB", "the engine store may grow to this"),
    "store_reserve_pct": Key(values.whole(1, 50), "10", "% of it kept for alarm-relevant readings"),
    "checkpoint_s": Key(values.whole(1, 60), "5", "seconds between looks whether a checkpoint of rule state is due"),
    # 3: the storage follower still writes into the last two days (storage/partitions.py, YOUNG_DAYS).
    "retention_raw_days": Key(values.whole(3, 36500), "30", "days that readings are kept"),
    "retention_1m_days": Key(values.whole(3, 36500), "400", "days that one-minute roll-ups are kept"),
    "rules": Key(values.file, None, "a rule pack (TOML); not set: the rules in force, at first the built-in ones"),
    "rule_packs": Key(
        values.packs, None, "instead: built-in packs by name and files, with commas between (`davy rules packs`)"
    ),
    "models": Key(values.folder, None, "a folder with device models of your own (TOML), beside the catalogue"),
    "coverage_policies": Key(values.folder, None, "a folder with policies of coverage (TOML), beside those of Davy"),
    "brokers": Key(values.file_to_be, None, "MQTT brokers to listen behind (TOML, docs/BROKERS.md); not set: none"),
    "oidc_issuer": Key(
        values.issuer, None, "an OpenID Connect provider whose people may sign in (docs/ACCESS.md); not set: none"
    ),
    "oidc_client": Key(values.word, None, "the client id that its ID tokens are for"),
    "oidc_audience": Key(values.word, None, "the audience of its access tokens; not set: none are taken as a token"),
    "master_key_file": Key(
        values.file_to_be, None, "the key that wraps those of personal data; not set: `master-key` in the data folder"
    ),
    "audit_publish": Key(
        values.folder, None, "a folder for signed heads of the record, best on another machine; not set: kept here only"
    ),
    "audit_every_s": Key(values.whole(10, 86400), "3600", "seconds between signed heads of the record"),
    "mode": Key(
        values.one_of("auto", "plain", "timescale-apache", "timescale-tsl"), "auto", "database mode when it is made"
    ),
    "log_level": Key(values.one_of("debug", "info", "warning", "error"), "info", "least severe line that is logged"),
    "log_json": Key(values.boolean, "false", "log JSON on a terminal too"),
}

#: Read by the test suite, never by Davy; a server started by a test inherits them.
_NOT_OURS = ("DAVY_CONFIG", "DAVY_TEST_")
#: A relative path in the settings file is relative to that file.
_PATHS = (values.file, values.file_to_be, values.folder)


def variable(key: str) -> str:
    return f"DAVY_{key.upper()}"


def load_settings(environ: Mapping[str, str], here: Path, data: str | None = None) -> Settings:
    """The settings told by `environ` and the TOML file, seen from folder `here`; `data` is another default for the data
    folder. Raises CannotGoOn (usage) with one line per fault."""
    faults: list[str] = []
    told: dict[str, tuple[str, Raw, Path]] = {}  # key -> how a person names it, value, folder of relative paths
    for key, definition in KEYS.items():
        if definition.default is not None:
            told[key] = (key, data if data and key == "data" else definition.default, here)
    path = _config_path(environ, here)
    if path is not None:
        for key, raw in _read_toml(path).items():
            if key not in KEYS:
                faults.append(f"{path.name}: unknown key {key}{_nearest(key, KEYS)}")
            elif isinstance(raw, str | int | float | bool):
                told[key] = (f"{path.name}: {key}", raw, path.parent)
            else:
                faults.append(f"{path.name}: {key} must be a single value, not {type(raw).__name__}")
    for name, text in environ.items():
        if not name.startswith("DAVY_") or name.startswith(_NOT_OURS):
            continue
        key = name.removeprefix("DAVY_").lower()
        if name != variable(key) or key not in KEYS:
            faults.append(f"unknown variable {name}{_nearest(name, [variable(k) for k in KEYS])}")
        elif text.strip() or KEYS[key].default is not None:  # empty = not set, for those that may be so
            told[key] = (name, text, here)
    settings = _validated(told, faults)
    if settings is None:
        raise CannotGoOn(Exit.USAGE, "\n".join(f"settings: {fault}" for fault in faults))
    return settings


def _config_path(environ: Mapping[str, str], here: Path) -> Path | None:
    named = environ.get("DAVY_CONFIG")
    if named == "":
        return None
    path = here / (named or "davy.toml")
    if named and not path.is_file():
        raise CannotGoOn(Exit.USAGE, f"settings: DAVY_CONFIG={named}: no such file; allowed: the path of a TOML file")
    return path if path.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"settings: {path}: {wrong}") from wrong


def _nearest(name: str, names: "list[str] | dict[str, Key]") -> str:
    close = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {close[0]}?" if close else "; `davy check --keys` lists those there are"


def _validated(told: dict[str, tuple[str, Raw, Path]], faults: list[str]) -> Settings | None:
    found: dict[str, Any] = dict.fromkeys(KEYS)
    for key, (name, raw, folder) in told.items():
        definition = KEYS[key]
        try:
            if definition.read in _PATHS and isinstance(raw, str) and raw.strip():
                raw = os.path.normpath(folder.absolute() / values.expanded(raw))
            elif definition.read is values.packs and isinstance(raw, str):
                raw = values.placed_packs(raw, folder)
            found[key] = definition.read(raw)
        except (ValueError, OSError) as wrong:
            shown = "(not shown)" if definition.secret else repr(raw)
            faults.append(f"{name} = {shown}: must be {wrong}")
    if not faults:
        settings = Settings(**found)
        faults += _conflicts(settings)
        if not faults:
            return settings
    return None


def _conflicts(settings: Settings) -> list[str]:
    """What is wrong with values that are right each by itself."""
    faults: list[str] = []
    for side in ("mqtt", "http"):
        cert, key = getattr(settings, f"{side}_tls_cert"), getattr(settings, f"{side}_tls_key")
        at = getattr(settings, f"{side}_host")
        if (cert is None) != (key is None):
            missing = f"{side}_tls_key" if key is None else f"{side}_tls_cert"
            faults.append(f"{variable(missing)} is not set: a certificate and its key go together")
        elif cert is None and not values.is_loopback(at) and not settings.allow_plain:
            faults.append(
                f"{variable(f'{side}_host')} = {at!r}: plain {side.upper()} beyond this machine is refused; set "
                f"{variable(f'{side}_tls_cert')} and {variable(f'{side}_tls_key')}, or DAVY_ALLOW_PLAIN=true where "
                f"something else protects it"
            )
    if settings.mqtt_client_ca is not None and settings.mqtt_tls_cert is None:
        faults.append("DAVY_MQTT_CLIENT_CA is set without DAVY_MQTT_TLS_CERT: client certificates need TLS")
    if (settings.oidc_issuer is None) != (settings.oidc_client is None):
        missing = "oidc_issuer" if settings.oidc_issuer is None else "oidc_client"
        faults.append(f"{variable(missing)} is not set: a provider and the client that we are there go together")
    if settings.rules is not None and settings.rule_packs is not None:
        faults.append("DAVY_RULES and DAVY_RULE_PACKS are both set; put the file among the packs, or unset one")
    if settings.mqtt_port == settings.http_port and settings.mqtt_host == settings.http_host:
        faults.append(f"DAVY_HTTP_PORT = {settings.http_port}: the same as DAVY_MQTT_PORT; they must differ")
    return faults
