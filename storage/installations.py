"""Installations, certificates and links: what was where, by whom, with which papers. All of these raise DatabaseAway
and DatabaseRefused.

L1  An installation says when a device was at a site in the world (`since`, `until`), whenever it was recorded. So who
    had what on a day is asked by `day`, and what was known of it then by `as_of_us`.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

from access.ownership import EVERYTHING, Owner, Scope
from devices.register import Certificate, Installation, LinkFacts
from storage.database import Connection, translated
from storage.register_asked import Asked, Recorded, said_day, said_time, select
from storage.scoped import OwnerColumns
from storage.text import clean

#: An installation carries its site's owner, and its device's vendor.
OF_INSTALLATION = OwnerColumns("i.site", "i.enterprise", "i.manager", "i.area", "i.vendor", "i.installer")

_COLUMNS: LiteralString = (
    "i.key, i.identity, i.site, i.since, i.until, i.installer, i.mounting, i.evidence, i.gas_on_check, i.inspected,"
    " i.replaces, i.reason, i.ended_because, i.version, i.recorded, i.recorded_by,"
    " i.enterprise, i.manager, i.area, i.vendor"
)


@dataclass(frozen=True, slots=True)
class RegisteredInstallation:
    """`owner`: whose its site is, with its device's vendor and its installer."""

    installation: Installation
    recorded: Recorded
    owner: Owner


@dataclass(frozen=True, slots=True)
class InstallationsAsked:
    """What a list of installations is narrowed to; None: not asked. day (YYYY-MM-DD): those in force on it. open:
    whether the device is still there. replaces: what took the place of this device."""

    identity: str | None = None
    site: str | None = None
    installer: str | None = None
    replaces: str | None = None
    day: str | None = None
    open: bool | None = None


async def installations(
    connection: Connection,
    *,
    limit: int,
    after: str = "",
    asked: InstallationsAsked | None = None,
    within: Scope = EVERYTHING,
    as_of_us: int | None = None,
) -> list[RegisteredInstallation]:
    """Installations in the order of their keys, beginning after `after`."""
    narrowed = asked or InstallationsAsked()
    asking = Asked(as_of_us)
    table = asking.table("installation", "i")
    asking.where("i.key > %s", clean(after))
    asking.scoped(within, OF_INSTALLATION)
    asking.equal("i.identity", narrowed.identity)
    asking.equal("i.site", narrowed.site)
    asking.equal("i.installer", narrowed.installer)
    asking.equal("i.replaces", narrowed.replaces)
    if narrowed.day is not None:
        asking.where("i.since <= %s AND (i.until IS NULL OR i.until > %s)", narrowed.day, narrowed.day)
    if narrowed.open is not None:
        asking.where("i.until IS NULL" if narrowed.open else "i.until IS NOT NULL")
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, table, asking.sql, " ORDER BY i.key LIMIT %s"),
            (*asking.values, limit),
            prepare=False,  # a plan for these values, not for any
        )
        return [_installation(row) for row in await cursor.fetchall()]


async def installation(
    connection: Connection, key: str, *, within: Scope = EVERYTHING, as_of_us: int | None = None
) -> RegisteredInstallation | None:
    """The installation, or None: there is none, was none then, or none that `within` admits."""
    asking = Asked(as_of_us)
    table = asking.table("installation", "i")
    asking.where("i.key = %s", clean(key))
    asking.scoped(within, OF_INSTALLATION)
    with translated():
        cursor = await connection.execute(select(_COLUMNS, table, asking.sql), asking.values)
        row = await cursor.fetchone()
    return _installation(row) if row else None


@dataclass(frozen=True, slots=True)
class RegisteredCertificate:
    certificate: Certificate
    recorded: Recorded


_CERTIFICATE: LiteralString = (
    "c.scheme, c.number, coalesce(c.identity, ''), coalesce(c.model, ''), c.issuer, c.issued, c.expires, c.version,"
    " c.recorded, c.recorded_by"
)


async def certificates(
    connection: Connection, identity: str, *, as_of_us: int | None = None
) -> list[RegisteredCertificate]:
    """Those of a device and those of its model."""
    asking = Asked(as_of_us)
    table = asking.table("certificate", "c")
    asking.where(
        "(c.identity = %s OR c.model = (SELECT d.model FROM device d WHERE d.identity = %s))",
        clean(identity),
        clean(identity),
    )
    with translated():
        cursor = await connection.execute(
            select(_CERTIFICATE, table, asking.sql, " ORDER BY c.scheme, c.number"), asking.values
        )
        return [_certificate(row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class RegisteredLink:
    link: LinkFacts
    recorded: Recorded


async def links_of(connection: Connection, identity: str, *, as_of_us: int | None = None) -> list[RegisteredLink]:
    """Links that a device stands in, as detector or as valve."""
    asking = Asked(as_of_us)
    table = asking.table("link", "l")
    asking.where("(l.detector = %s OR l.valve = %s)", clean(identity), clean(identity))
    with translated():
        cursor = await connection.execute(
            select(
                "l.detector, l.valve, l.since, l.installer, l.version, l.recorded, l.recorded_by",
                table,
                asking.sql,
                " ORDER BY l.detector, l.valve",
            ),
            asking.values,
        )
        return [
            RegisteredLink(
                LinkFacts(detector, valve, said_day(since), installer), Recorded(version, said_time(recorded), by)
            )
            for detector, valve, since, installer, version, recorded, by in await cursor.fetchall()
        ]


def _installation(row: tuple[Any, ...]) -> RegisteredInstallation:
    key, identity, site, since, until, installer, mounting, evidence, gas_on_check, inspected = row[:10]
    replaces, reason, ended_because, version, recorded, by, company, manager, area, vendor = row[10:]
    return RegisteredInstallation(
        Installation(
            key,
            identity,
            site,
            said_day(since),
            said_day(until),
            installer,
            mounting,
            tuple(evidence),
            said_day(gas_on_check),
            said_day(inspected),
            replaces,
            reason,
            ended_because,
        ),
        Recorded(version, said_time(recorded), by),
        Owner(site, company, manager, area, vendor, installer),
    )


def _certificate(row: tuple[Any, ...]) -> RegisteredCertificate:
    scheme, number, identity, model, issuer, issued, expires, version, recorded, by = row
    return RegisteredCertificate(
        Certificate(scheme, number, identity, model, issuer, said_day(issued), said_day(expires)),
        Recorded(version, said_time(recorded), by),
    )
