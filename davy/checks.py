"""What `davy check` looks at: each part in one line, and nothing is changed by looking."""

import platform
import shutil
from collections.abc import Awaitable, Callable

import apsw
import msgspec

from davy import ports
from davy.exits import CannotGoOn
from davy.folders import LEAST_ROOM_BYTES
from davy.postgres_home import home_folder, running_url
from davy.settings import Settings
from davy.values import size_text
from engine.messages import Status


class Check(msgspec.Struct, frozen=True):
    """`ok` False: something to be done; `words` say what is, or what to do."""

    name: str
    ok: bool
    words: str


async def all_checks(settings: Settings) -> list[Check]:
    """Every check, in the order in which one would repair."""
    from davy.supervisor import ask_status

    engine = await ask_status(settings)
    looked: list[tuple[str, Callable[[], Awaitable[str] | str]]] = [
        ("programs", _programs),
        ("data folder", lambda: _folder(settings)),
        ("rules", lambda: _rules(settings)),
        ("device models", lambda: _models(settings)),
        ("coverage policies", lambda: _policies(settings)),
        ("brokers", lambda: _brokers(settings)),
        ("engine", lambda: _engine(engine)),
        ("store", lambda: _store(settings)),
        ("mqtt port", lambda: _port(settings.mqtt_host, settings.mqtt_port, "mqtt", engine)),
        ("http port", lambda: _port(settings.http_host, settings.http_port, "http", engine)),
        ("database", lambda: _database(settings)),
    ]
    return [await _checked(name, look) for name, look in looked]


async def _checked(name: str, look: Callable[[], Awaitable[str] | str]) -> Check:
    try:
        said = look()
        return Check(name, True, said if isinstance(said, str) else await said)
    except (CannotGoOn, ValueError, OSError, RuntimeError, apsw.Error) as wrong:
        return Check(name, False, str(wrong))


def _programs() -> str:
    sqlite = apsw.sqlite_lib_version()
    if tuple(int(part) for part in sqlite.split(".")) < (3, 51, 3):
        raise ValueError(f"SQLite {sqlite} has a bug that can break the store; install apsw 3.51.3 or newer")
    return f"Python {platform.python_version()}, SQLite {sqlite}"


def _folder(settings: Settings) -> str:
    if not settings.data.exists():
        return f"{settings.data} is not there yet; `davy up` makes it"
    free = shutil.disk_usage(settings.data).free
    if free < LEAST_ROOM_BYTES:
        raise ValueError(f"{settings.data}: {size_text(free)} free, at least {size_text(LEAST_ROOM_BYTES)} are needed")
    warn = (
        "" if free > settings.store_cap_bytes else f"; less than store_cap_bytes, {size_text(settings.store_cap_bytes)}"
    )
    demo = ", demo data" if settings.demo_marker.exists() else ""
    return f"{settings.data}{demo}, {size_text(free)} free{warn}"


def _rules(settings: Settings) -> str:
    from davy.rule_packs import asked_for
    from rules.documents.document import load_pack
    from rules.documents.left_out import left_out

    asked = asked_for(settings)
    pack = load_pack(asked.body, asked.name)
    note = left_out(pack)
    return f"{asked.name}: {len(pack.rules)} rules" + (f"; note: {note}" if note else "")


def _models(settings: Settings) -> str:
    from davy.catalogue import catalogue

    own = f", with those of {settings.models}" if settings.models is not None else ""
    return f"{len(catalogue(settings))} in the catalogue{own}"


def _policies(settings: Settings) -> str:
    from davy.coverage_policies import policies

    return ", ".join(sorted(policies(settings)))


def _brokers(settings: Settings) -> str:
    from davy.broker_settings import load_brokers, missing_files

    if settings.brokers is None:
        return "none: DAVY_BROKERS is not set"
    brokers = load_brokers(settings.brokers)
    if missing := missing_files(brokers):
        raise ValueError("\n".join(missing))
    return ", ".join(f"{one.name} ({one.host}:{one.port})" for one in brokers)


def _engine(status: Status | None) -> str:
    if status is None:
        return "not running"
    return f"running: cycle {status.cycle}, {status.devices} devices, registry {status.registry_number}"


def _store(settings: Settings) -> str:
    from engine.journal import JournalReader

    if not settings.engine_store.exists():
        return "not there yet"
    journal = JournalReader(settings.engine_store)
    try:
        cycle, counts = journal.counts()
        size = size_text(settings.engine_store.stat().st_size)
        stored = sum(count.stored for count in counts)
        return (
            f"engine {journal.engine}, cycle {cycle}, {stored} readings stored so far, {size} of "
            f"{size_text(settings.store_cap_bytes)}"
        )
    finally:
        journal.close()


def _port(host: str, port: int, side: str, engine: Status | None) -> str:
    if engine is not None:
        return f"{host}:{port}, a davy is running"
    ports.check_free(host, port, side)
    return f"{host}:{port} is free"


async def _database(settings: Settings) -> str:
    from storage.database import connect, ready, server_version

    url = settings.database_url or running_url(settings)
    if url is None:
        made = settings.data.is_dir() and home_folder(settings) is not None
        return "embedded, not running" if made else "embedded, not made yet; `davy up` makes it"
    connection = await connect(url, name="check")
    try:
        return f"{await server_version(connection)}, mode {await ready(connection)}"
    finally:
        await connection.close()
