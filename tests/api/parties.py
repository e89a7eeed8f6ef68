"""A small world of two gas companies and everybody around them, in the database and in a real engine: what each has
live and what it had, so that who sees what can be asked of all of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from access.principals import Membership
from access.roles import Role
from devices.models import load_catalogue
from devices.sites import Credential, Device, Link, Registry, Site, encode_registry, token_sha256
from engine.client import DoorClient
from rules import decisions as d
from storage.batch import assemble
from storage.database import Connection, connect, ready
from storage.registry import import_registry
from storage.registry_source import parse_source
from storage.writer import Writer
from tests.api.people import People, add_enterprise
from tests.api.real_engine import RealEngine
from tests.storage.cycles import cycle

#: Whose things are whose. `own` is the first site of the first company, `other` another of the same company, `foreign`
#: one of the other company.
SITES = {"own": "site-a1", "other": "site-a2", "foreign": "site-b1"}
SECOND = 1_000_000
ENGINE = "engine-a"
T0 = 1_790_000_000 * SECOND

#: Who asks, by the names that the matrix gives them.
ROLES = {
    "resident": Membership(Role.RESIDENT, "gas-a", sites=frozenset({"site-a1"})),
    "operator": Membership(Role.OPERATOR, "gas-a"),
    "company_administrator": Membership(Role.COMPANY_ADMINISTRATOR, "gas-a"),
    "field_crew": Membership(Role.FIELD_CREW, "gas-a"),
    "vendor": Membership(Role.VENDOR, "acme-co", vendor="acme"),
    "installer": Membership(Role.INSTALLER, "fit-a"),
    "property_manager": Membership(Role.PROPERTY_MANAGER, "pm-a"),
    "regulator": Membership(Role.REGULATOR, "bureau", area="5001"),
    "platform_administrator": Membership(Role.PLATFORM_ADMINISTRATOR),
}


def _site(key: str, enterprise: str, manager: str, area: str) -> Site:
    return Site(key=key, name=f"name of {key}", enterprise=enterprise, manager=manager, area=area, simulated=True)


def _device(no: int, identity: str, model: str, site: str) -> Device:
    vendor, serial = identity.split("/")
    return Device(device_no=no, vendor=vendor, serial=serial, model=model, site=site)


_D, _V = "sim_detector_home", "sim_valve_shut_off"
REGISTRY = Registry(
    models=load_catalogue(),
    sites=(
        _site("site-a1", "gas-a", "pm-a", "500101"),
        _site("site-a2", "gas-a", "", "500102"),
        _site("site-b1", "gas-b", "pm-b", "510101"),
    ),
    devices=(
        _device(1, "acme/a1d", _D, "site-a1"),
        _device(2, "acme/a1v", _V, "site-a1"),
        _device(3, "acme/a2d", _D, "site-a2"),
        _device(4, "acme/a2v", _V, "site-a2"),
        _device(5, "zeta/b1d", _D, "site-b1"),
        _device(6, "zeta/b1v", _V, "site-b1"),
        _device(7, "beta/moved", _D, "site-a1"),
        _device(8, "beta/gone", _D, "site-a1"),
    ),
    links=(
        Link(detector="acme/a1d", valve="acme/a1v"),
        Link(detector="acme/a2d", valve="acme/a2v"),
        Link(detector="zeta/b1d", valve="zeta/b1v"),
    ),
)
DETECTORS = {
    "own": "acme/a1d",
    "other": "acme/a2d",
    "foreign": "zeta/b1d",
    "moved": "beta/moved",
    "deleted": "beta/gone",
}
VALVES = {"own": "acme/a1v", "other": "acme/a2v", "foreign": "zeta/b1v"}
TOKENS = {device.identity: f"token-of-{device.identity}" for device in REGISTRY.devices}
REGISTRY = replace(
    REGISTRY, credentials=tuple(Credential(identity, token_sha256(token)) for identity, token in TOKENS.items())
)


@dataclass(slots=True)
class Parties:
    """subjects: kind -> relation -> id."""

    people: People
    engine: RealEngine
    url: str
    subjects: dict[str, dict[str, str]] = field(default_factory=dict)


def _past_ids(n: int) -> dict[str, str]:
    """Names of what is in the database alone, of one site."""
    return {kind: f"{n}{at}".rjust(32, "f") for at, kind in enumerate(("alarm", "wanted", "permit", "incident"))}


PAST = {relation: _past_ids(n) for n, relation in enumerate(("own", "other", "foreign", "moved", "deleted"), 1)}


def _decisions() -> tuple[d.Decision, ...]:
    """Of each site an alarm, an incident, a CLOSE and a permit, all over; and of the device that will move, and of the
    one that will go, an alarm at the first site."""
    numbers = {device.identity: device.device_no for device in REGISTRY.devices}
    made: list[d.Decision] = []
    for relation, ids in PAST.items():
        site = SITES.get(relation, "site-a1")
        no = numbers[DETECTORS[relation]]
        made.append(
            d.AlarmRaised(
                at=T0,
                alarm=ids["alarm"],
                rule="gas-high",
                device_no=no,
                site=site,
                priority=d.Priority.HIGH,
                onset=T0,
                state=d.AlarmState.UNACKNOWLEDGED,
                note=f"note of {relation}",
                incident=ids["incident"],
            )
        )
        made.append(
            d.IncidentChanged(
                at=T0,
                incident=ids["incident"],
                scope=d.IncidentScope.SITE,
                key=site,
                change=d.IncidentChange.OPENED,
                priority=d.Priority.HIGH,
                alarm=ids["alarm"],
            )
        )
        if relation in VALVES:
            valve = numbers[VALVES[relation]]
            made.append(
                d.CloseWanted(
                    at=T0,
                    wanted=ids["wanted"],
                    device_no=valve,
                    epoch=1,
                    reason=f"reason of {site}",
                    alarm=ids["alarm"],
                    confirm_by=T0 + SECOND,
                )
            )
            made.append(
                d.PermitChanged(
                    at=T0,
                    permit=ids["permit"],
                    device_no=valve,
                    epoch=1,
                    state=d.PermitState.REQUESTED,
                    by="somebody",
                    comment=f"permit of {site}",
                )
            )
    return tuple(made)


async def write_register(connection: Connection) -> None:
    for key, kind, vendor, area in (
        ("gas-a", "gas_company", "", "500100"),
        ("gas-b", "gas_company", "", "510100"),
        ("acme-co", "vendor", "acme", ""),
        ("zeta-co", "vendor", "zeta", ""),
        ("fit-a", "installer", "", ""),
        ("pm-a", "property_manager", "", ""),
        ("pm-b", "property_manager", "", ""),
        ("bureau", "regulator", "", "500100"),
    ):
        await add_enterprise(connection, key, kind, vendor=vendor, area=area)
    document = msgspec.json.encode(
        {
            "sites": REGISTRY.sites,
            "devices": [
                {"vendor": one.vendor, "serial": one.serial, "model": one.model, "site": one.site}
                for one in REGISTRY.devices
            ],
            "links": REGISTRY.links,
        }
    )
    imported = await import_registry(
        connection, parse_source(document), REGISTRY.models, dry_run=False, random_bytes=lambda n: b"\x01" * n
    )
    assert imported.applied, imported
    for tenant, person in (("gas-a", "person-a"), ("gas-b", "person-b")):
        await connection.execute("INSERT INTO person (tenant, key) VALUES (%s, %s)", (tenant, person))
    await connection.execute(
        "INSERT INTO credential (identity, token_sha256) VALUES ('zeta/b1d', %s)", (token_sha256(TOKENS["zeta/b1d"]),)
    )
    await connection.execute("UPDATE device SET installer = 'fit-a' WHERE site = 'site-a1'")


async def write_past(connection: Connection) -> None:
    writer = Writer(connection, ENGINE, await ready(connection))
    await writer.open()
    await writer.write(assemble([cycle(1, decisions=_decisions(), now=T0 + SECOND)]), T0 + SECOND)
    # One device goes to the other company's site, and one leaves the register.
    await connection.execute("UPDATE device SET site = 'site-b1' WHERE identity = 'beta/moved'")
    await connection.execute("UPDATE device SET gone = now() WHERE identity = 'beta/gone'")


def after_the_changes() -> Registry:
    """As the engine knows it at the end."""
    devices = tuple(
        replace(one, site="site-b1") if one.identity == "beta/moved" else one
        for one in REGISTRY.devices
        if one.identity != "beta/gone"
    )
    kept = {one.identity for one in devices}
    return replace(
        REGISTRY,
        devices=devices,
        credentials=tuple(one for one in REGISTRY.credentials if one.identity in kept),
    )


@contextlib.asynccontextmanager
async def parties(url: str, data: Path, now_us: int) -> AsyncIterator[Parties]:
    """The world, until the block ends. Live things are made by whoever asks, through the API (`live_subjects`)."""
    people = People(now_us)
    connection = await connect(url, name="test")
    try:
        await write_register(connection)
        await write_past(connection)
        for name, membership in ROLES.items():
            await people.person(connection, name.replace("_", "-"), membership)
        for name, enterprise in (("spare-own", "gas-a"), ("spare-foreign", "gas-b")):
            await people.person(connection, name, Membership(Role.OPERATOR, enterprise))
            scopes = ("read_alarms",)
            await people.key(connection, f"key-{name}", Membership(Role.OPERATOR, enterprise), *scopes)
    finally:
        await connection.close()
    engine = RealEngine(data, REGISTRY)
    await engine.start()
    try:
        yield Parties(people, engine, url)
    finally:
        await engine.stop()


async def change_registry(engine: RealEngine) -> None:
    """The device moves and the other goes, for the engine too."""
    async with DoorClient(engine.path) as door, asyncio.timeout(20):
        await door.replace_registry(2, encode_registry(after_the_changes()))
