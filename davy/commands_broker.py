"""`davy broker`: the brokers of the settings, the files that make a Mosquitto fit, and a probe that it is."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from davy.broker_files import BrokerFiles
    from devices.sites import Registry
    from ingest.broker_plan import Broker

#: Only for the owner: passwords and hashes.
_PRIVATE = 0o600

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Name = Annotated[str, typer.Argument(help="the broker's name in the file of brokers (DAVY_BROKERS)")]


class Listed(msgspec.Struct, frozen=True):
    name: str
    where: str
    mqtt: str
    gateway: str
    partitions: dict[str, tuple[str, ...]]


class Written(msgspec.Struct, frozen=True):
    """`users`: how many besides Davy's. `made`: of these, who got a password now; it stands in `passwords_at` and
    nowhere else. `kept`, `removed`: users of the password file that are in no registry."""

    folder: str
    files: tuple[str, ...]
    users: int
    made: int
    passwords_at: str
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def register(app: typer.Typer) -> None:
    broker_app = typer.Typer(
        help="Brokers that others run, and that Davy reads from (docs/BROKERS.md).", no_args_is_help=True
    )
    broker_app.command("list")(list_brokers)
    broker_app.command("config")(config)
    broker_app.command("probe")(probe)
    app.add_typer(broker_app, name="broker")


def list_brokers(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the brokers that are configured; says what is wrong with the file, and which of those it names are missing.

    Exit code 2 in both cases; a broker whose password or certificate is missing is listed all the same.
    """
    from davy.broker_settings import missing_files
    from davy.output import write_json, write_table
    from ingest.broker_plan import VERSIONS

    brokers = _brokers(ctx.obj.settings())
    words = {level: word for word, level in VERSIONS.items()}
    listed = [
        Listed(
            name=broker.name,
            where=f"{broker.host}:{broker.port}{' by TLS' if broker.tls else ''}",
            mqtt=words[broker.version],
            gateway=broker.gateway,
            partitions={one.client_id: one.devices for one in broker.partitions},
        )
        for broker in brokers
    ]
    if as_json:
        write_json(listed)
    else:
        rows = [
            (
                one.name,
                one.where,
                one.mqtt,
                one.gateway,
                "; ".join(f"{k}: {', '.join(v)}" for k, v in one.partitions.items()),
            )
            for one in listed
        ]
        write_table(("name", "where", "mqtt", "gateway", "partitions"), rows)
    if missing := missing_files(brokers):
        raise CannotGoOn(Exit.USAGE, "\n".join(missing))


def config(
    ctx: typer.Context,
    name: Name,
    out: Annotated[
        Path | None, typer.Option(help="write the files into this folder; else print what is no secret")
    ] = None,
    at: Annotated[str | None, typer.Option(help="the folder as the broker will see it; else the same")] = None,
    registry: Annotated[
        Path | None, typer.Option(help="JSON or CSV as for `davy registry import`; else what the engine has in force")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="take users out of the password file that are in no registry")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make Mosquitto's configuration, access list and passwords for the devices of a broker.

    Passwords are made once: run again, devices that have one keep it, and those that are new get one. They are written
    to a file of mode 0600 and shown nowhere. Users that are in no registry keep theirs, and are named.
    """
    from davy.output import write_json

    settings = ctx.obj.settings()
    broker = _broker(settings, name)
    if broker.password_file is None or not all(map(broker.user, broker.partitions)):
        raise CannotGoOn(
            Exit.USAGE, f"brokers.{name}: set username and password_file first, for Davy has to sign in like all others"
        )
    known = _registry(settings, registry)
    folder = str(at or (out.absolute() if out else Path("/etc/mosquitto/davy")))
    if out is None:
        files = _files(broker, known, folder, {}, remove=False)
        typer.echo(files.config + "\n" + files.acl, nl=False)
        return
    written = _write(broker, known, folder, out, remove)
    if as_json:
        write_json(written)
    else:
        typer.echo(f"{', '.join(written.files)} in {written.folder}: {written.users} users besides Davy's")
        if written.made:
            typer.echo(f"{written.made} passwords were made now; they stand in {written.passwords_at} and nowhere else")
        if written.kept:
            words = "are in no registry: they keep their passwords and may do nothing; --remove takes them out"
            typer.echo(f"{len(written.kept)} users {words}: {', '.join(written.kept)}")
        if written.removed:
            typer.echo(
                f"{len(written.removed)} users that are in no registry were removed: {', '.join(written.removed)}"
            )


def _write(broker: "Broker", registry: "Registry", folder: str, out: Path, remove: bool) -> Written:
    from davy.broker_files import ACL_FILE, CONFIG_FILE, GIVEN_FILE, PASSWORD_FILE, read_hashes
    from davy.exits import disk_refused

    try:
        before = out / PASSWORD_FILE
        known = read_hashes(before.read_text("utf-8")) if before.exists() else {}
        files = _files(broker, registry, folder, known, remove)
        (out / "data").mkdir(parents=True, exist_ok=True)
        given = out / GIVEN_FILE
        if files.made:  # before the hashes: a password must not be lost between the two
            told = given.read_text("utf-8") if given.exists() else "identity,password\n"
            _put(given, told + "".join(f"{user},{password}\n" for user, password in files.made))
        _put(before, files.passwords)
        _put(out / CONFIG_FILE, files.config)
        _put(out / ACL_FILE, files.acl)
    except OSError as refused:
        raise disk_refused(out, refused) from refused
    return Written(
        folder=str(out),
        files=(CONFIG_FILE, ACL_FILE, PASSWORD_FILE),
        users=len(files.users),
        made=len(files.made),
        passwords_at=str(given),
        kept=() if remove else files.others,
        removed=files.others if remove else (),
    )


def _files(
    broker: "Broker", registry: "Registry", folder: str, known: "Mapping[str, str]", remove: bool
) -> "BrokerFiles":
    from davy.broker_files import broker_files

    assert broker.password_file is not None
    try:
        return broker_files(broker, registry, folder, _password(broker.password_file), known, remove)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"brokers.{broker.name}: {wrong}") from wrong


def _put(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.touch(_PRIVATE)
    fresh.chmod(_PRIVATE)
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def probe(
    ctx: typer.Context,
    name: Name,
    device: Annotated[str, typer.Option(help="vendor/serial of a device that may be spoken for")],
    password_file: Annotated[Path, typer.Option(help="a file whose first line is its password at the broker")],
    as_json: AsJson = False,
) -> None:
    """Try at the live broker what a device must not be able to do, and what Davy must; a verdict for each.

    Sends `{"probe": ...}` on the device's own topics and, where the broker lets it, on another's: a running engine sets
    these aside in quarantine. Exit code 1 when something is allowed that must not be, or denied that must not be.
    """
    from davy.broker_probe import Probe, Signer, Verdict, holds
    from davy.output import write_json, write_table

    broker = _broker(ctx.obj.settings(), name)
    davy = Signer(_user_for(broker, device), _password(broker.password_file) if broker.password_file else b"")
    if device.count("/") != 1:
        raise CannotGoOn(Exit.USAGE, f"--device {device}: must be vendor/serial")
    try:
        found = asyncio.run(Probe(broker, davy, Signer(device, _password(password_file))).run())
    except (OSError, TimeoutError) as failed:
        words = str(failed) or "it does not answer"
        raise CannotGoOn(Exit.FAILED, f"broker {name} at {broker.host}:{broker.port}: {words}") from failed
    ok = holds(found)
    if as_json:
        write_json({"ok": ok, "assertions": found})
    else:
        write_table(("", "what", "seen"), [(one.verdict, one.what, one.seen) for one in found])
        open_ones = sum(one.verdict is Verdict.NOT_SHOWN for one in found)
        typer.echo(f"{'PASS' if ok else 'FAIL'}{f'; {open_ones} not shown' if open_ones else ''}")
    if not ok:
        raise typer.Exit(Exit.FAILED)


def _user_for(broker: "Broker", device: str) -> str:
    """As whom Davy reads from this device."""
    from ingest.broker_plan import Devices

    its = (partition for partition in broker.partitions if device in Devices(partition.devices))
    return broker.user(next(its, broker.partitions[0]))


def _brokers(settings: Settings) -> "tuple[Broker, ...]":
    from davy.broker_settings import load_brokers

    return load_brokers(settings.brokers) if settings.brokers is not None else ()


def _broker(settings: Settings, name: str) -> "Broker":
    from davy.broker_settings import named

    return named(_brokers(settings), name)


def _password(path: Path) -> bytes:
    from ingest.broker_partition import read_password

    try:
        return read_password(path)
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"the password file {path}: {wrong}") from wrong


def _registry(settings: Settings, file: Path | None) -> "Registry":
    """The devices a file names, or those of the registry in the engine's store: neither needs the database."""
    from devices.sites import Device, Registry, decode_registry
    from engine.journal import JournalReader
    from storage.registry_source import DeviceGiven, parse_source

    if file is None:
        try:
            journal = JournalReader(settings.engine_store)
        except FileNotFoundError as none:
            raise CannotGoOn(Exit.USAGE, f"{none}; start Davy once, or give --registry FILE") from none
        body = journal.current("registry")
        journal.close()
        return decode_registry(body) if body is not None else Registry()
    try:
        rows = parse_source(file.read_bytes())
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
    faults = [f"{file}: {row.place}: {row.fault}" for row in rows if row.fault]
    if faults:
        raise CannotGoOn(Exit.USAGE, "\n".join(faults))
    given = [row.given for row in rows if isinstance(row.given, DeviceGiven)]
    return Registry(
        devices=tuple(
            Device(number, one.vendor, one.serial, one.model, one.site, one.gateway, one.address)
            for number, one in enumerate(given, start=1)
        )
    )
