"""The register in a real database: nothing is overwritten, and any day can be asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from access.ownership import Scope
from devices.models import DeviceKind
from devices.register import Neighbourhood
from storage import areas, devices, enterprises, installations, sites
from storage.database import Connection
from storage.times import as_microseconds

TABLES = (
    *("enterprise", "area", "site", "device", "link", "matrix_row", "certificate", "installation"),
    *("person", "contact", "site_role"),
)


def us(day: str) -> int:
    """Noon of a day."""
    return as_microseconds(datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC))


@asynccontextmanager
async def writing(database: Connection, day: str, by: str = "tester") -> AsyncIterator[None]:
    """A transaction at noon of `day`, as whoever changes the register writes."""
    async with database.transaction():
        await database.execute(
            "SELECT set_config('davy.by', %s, true), set_config('davy.at', %s, true)", (by, str(us(day)))
        )
        yield


async def put(database: Connection, table: str, **values: Any) -> None:
    names, places = ", ".join(values), ", ".join(["%s"] * len(values))
    await database.execute(f"INSERT INTO {table} ({names}) VALUES ({places})".encode(), tuple(values.values()))


async def model(database: Connection, key: str = "m", kind: str = "detector") -> None:
    await put(database, "device_model", key=key, kind=kind, vendor="acme", name=key, document="{}")


async def test_every_version_stays_with_who_wrote_it_and_when(database: Connection) -> None:
    async with writing(database, "2026-01-10", "ann"):
        await put(database, "site", key="s1", name="Old", area="500156", enterprise="gas")
    async with writing(database, "2026-02-10", "bob"):
        await database.execute("UPDATE site SET name = 'New', hardship = 'low income' WHERE key = 's1'")
    async with writing(database, "2026-03-10", "cai"):
        await database.execute("UPDATE site SET gone = davy_at() WHERE key = 's1'")

    versions = await sites.site_versions(database, "s1", limit=9)
    said = [(v.recorded.version, v.site.name, v.recorded.recorded_by, v.recorded.gone) for v in versions]
    assert said == [(3, "New", "cai", True), (2, "New", "bob", False), (1, "Old", "ann", False)]
    assert [v.recorded.superseded for v in versions] == [0, us("2026-03-10"), us("2026-02-10")]
    assert [v.recorded.version for v in await sites.site_versions(database, "s1", limit=1, before=3)] == [2]

    async def then(day: str) -> str | None:
        found = await sites.site(database, "s1", as_of_us=us(day))
        (listed,) = await sites.sites(database, limit=9, as_of_us=us(day)) or [None]
        assert found == listed
        return found.site.name if found else None

    days = ("2026-01-09", "2026-01-10", "2026-02-09", "2026-02-10", "2026-03-09", "2026-03-10")
    assert [await then(day) for day in days] == [None, "Old", "Old", "New", "New", None]
    assert await sites.site(database, "s1") is None
    assert await sites.sites(database, limit=9) == []


async def test_a_time_that_goes_back_never_makes_a_version_end_before_it_began(database: Connection) -> None:
    async with writing(database, "2026-05-01"):
        await put(database, "site", key="s1")
    async with writing(database, "2026-04-01"):
        await database.execute("UPDATE site SET name = 'x' WHERE key = 's1'")
    newest, first = await sites.site_versions(database, "s1", limit=9)
    assert first.recorded.superseded == newest.recorded.recorded == us("2026-05-01")


async def test_who_had_what_is_kept_when_a_device_moves_and_when_a_site_changes_hands(database: Connection) -> None:
    await model(database)
    async with writing(database, "2026-01-01"):
        await put(database, "site", key="a", enterprise="gas-1", area="500156", manager="pm")
        await put(database, "site", key="b", enterprise="gas-2", area="500200")
        await put(database, "device", vendor="acme", serial="d1", model="m", site="a", installer="fitters")
    async with writing(database, "2026-02-01"):
        await database.execute("UPDATE device SET site = 'b' WHERE identity = 'acme/d1'")
    async with writing(database, "2026-03-01"):
        await database.execute("UPDATE site SET enterprise = 'gas-3' WHERE key = 'b'")

    async def owners(day: str) -> tuple[str, str, str, str] | None:
        found = await devices.device(database, "acme/d1", as_of_us=us(day))
        return (found.site, found.enterprise, found.area, found.manager) if found else None

    assert await owners("2025-12-31") is None
    assert await owners("2026-01-15") == ("a", "gas-1", "500156", "pm")
    assert await owners("2026-02-15") == ("b", "gas-2", "500200", "")
    assert await owners("2026-03-15") == ("b", "gas-3", "500200", "")
    for company, seen in (("gas-1", 0), ("gas-2", 0), ("gas-3", 1)):
        listed = await devices.devices(database, limit=9, within=Scope(enterprises=frozenset({company})))
        assert len(listed) == seen
    then = await devices.devices(
        database, limit=9, within=Scope(enterprises=frozenset({"gas-1"})), as_of_us=us("2026-01-15")
    )
    assert [one.identity for one in then] == ["acme/d1"]


async def test_lists_are_narrowed_by_everything_that_can_be_asked(database: Connection) -> None:
    await model(database)
    await model(database, "g", "gateway")
    await model(database, "v", "shut_off_valve")
    await put(
        database, "site", key="a", enterprise="gas", area="500156", building="T1", site_class="school", manager="pm"
    )
    await put(database, "site", key="b", enterprise="gas", area="500156100", neighbourhood="old", hardship="list")
    await put(database, "site", key="c", enterprise="other", area="510100", department="commerce")

    async def keys(within: Scope | None = None, **asked: Any) -> list[str]:
        found = await sites.sites(
            database, limit=9, asked=sites.SitesAsked(**asked), scope=within or Scope(everything=True)
        )
        return [one.site.key for one in found]

    assert await keys() == ["a", "b", "c"]
    assert await keys(area="500000") == await keys(area="500156") == await keys(enterprise="gas") == ["a", "b"]
    assert (
        await keys(area="500156100")
        == await keys(neighbourhood=Neighbourhood.OLD)
        == await keys(hardship=True)
        == ["b"]
    )
    assert await keys(building="T1") == await keys(site_class="school") == await keys(manager="pm") == ["a"]
    assert await keys(department="commerce") == ["c"]
    assert await keys(hardship=False) == ["a", "c"]
    assert await keys(Scope(areas=frozenset({"50"}))) == ["a", "b"]
    assert await keys(Scope(managers=frozenset({"pm"}), sites=frozenset({"c"}))) == ["a", "c"]
    assert await keys(Scope()) == []

    for serial, key, site in (("1", "m", "a"), ("2", "g", "a"), ("3", "v", "b"), ("4", "m", "c"), ("5", "m", "b")):
        await put(database, "device", vendor="acme", serial=serial, model=key, site=site, installer="f" + serial)
    await database.execute("UPDATE device SET gateway = 'acme/2', calibration_due = '2026-06-01' WHERE serial = '1'")

    async def serials(limit: int = 9, after: int = 0, **asked: Any) -> list[str]:
        page = await devices.devices(database, limit=limit, after=after, asked=devices.DevicesAsked(**asked))
        return [one.serial for one in page]

    assert await serials() == ["1", "2", "3", "4", "5"]
    assert await serials(kind=DeviceKind.DETECTOR) == await serials(model="m") == ["1", "4", "5"]
    assert await serials(kind=DeviceKind.DETECTOR, limit=2, after=1) == ["4", "5"]
    assert await serials(kind=DeviceKind.GATEWAY, model="m") == []
    assert await serials(area="500000") == await serials(enterprise="gas") == ["1", "2", "3", "5"]
    assert await serials(site="b", vendor="acme") == ["3", "5"]
    assert (
        await serials(gateway="acme/2")
        == await serials(due_before="2026-06-02")
        == await serials(installer="f1")
        == ["1"]
    )
    assert await serials(manager="pm") == ["1", "2"]


async def test_an_installation_tells_what_was_where_on_a_day_whenever_it_was_recorded(database: Connection) -> None:
    await model(database)
    await put(database, "site", key="a", enterprise="gas")
    for serial in ("d1", "d2"):
        await put(database, "device", vendor="acme", serial=serial, model="m", site="a")
    async with writing(database, "2026-05-01"):
        await put(database, "installation", key="w1", identity="acme/d1", site="a", since="2022-03-01", installer="f")
    with pytest.raises(psycopg.errors.UniqueViolation):
        await put(database, "installation", key="w9", identity="acme/d1", site="a", since="2023-03-01")
    async with writing(database, "2026-06-01"):
        await database.execute("UPDATE installation SET until = '2026-05-30', ended_because = 'worn' WHERE key = 'w1'")
        await put(
            *(database, "installation"),
            **{"key": "w2", "identity": "acme/d2", "site": "a", "since": "2026-05-30", "replaces": "acme/d1"},
        )

    async def on(day: str, **asked: Any) -> list[str]:
        found = await installations.installations(
            database, limit=9, asked=installations.InstallationsAsked(site="a", day=day, **asked)
        )
        return [one.installation.identity for one in found]

    assert await on("2022-02-28") == []
    assert await on("2024-01-01") == ["acme/d1"]
    assert await on("2026-05-29") == ["acme/d1"]
    assert await on("2026-05-30") == ["acme/d2"]
    assert await on("2027-01-01", replaces="acme/d1") == ["acme/d2"]
    known = await installations.installation(database, "w1", as_of_us=us("2026-05-15"))
    assert known is not None
    assert known.installation.until == ""
    for scope, seen in (
        (Scope(installers=frozenset({"f"})), ["w1"]),
        (Scope(vendors=frozenset({"acme"})), ["w1", "w2"]),
    ):
        found = await installations.installations(database, limit=9, within=scope)
        assert [one.installation.key for one in found] == seen


async def test_enterprises_and_areas_are_asked_as_of_a_day_and_on_a_day(database: Connection) -> None:
    async with writing(database, "2026-01-01"):
        await put(database, "enterprise", key="gas", kind="gas_company", name="Gas", area="500100")
        await put(database, "enterprise", key="reg", kind="regulator", area="500156")
        await put(database, "area", code="500232", name="county", parent="500000", until="2016-11-24")
        await put(database, "area", code="500156", name="district", parent="500000", since="2016-11-24")
        await put(database, "area", code="500000", name="city")
    async with writing(database, "2026-02-01"):
        await database.execute("UPDATE enterprise SET name = 'Gas & Co' WHERE key = 'gas'")
    before = await enterprises.enterprise(database, "gas", as_of_us=us("2026-01-15"))
    after = await enterprises.enterprise(database, "gas")
    assert (before and before.enterprise.name, after and after.enterprise.name) == ("Gas", "Gas & Co")
    listed = await enterprises.enterprises(database, limit=9, area="500156")
    assert [one.enterprise.key for one in listed] == ["reg"]
    assert [v.enterprise.name for v in await enterprises.enterprise_versions(database, "gas", limit=9)] == [
        "Gas & Co",
        "Gas",
    ]

    async def codes(**asked: Any) -> list[str]:
        return [one.area.code for one in await areas.areas(database, limit=9, **asked)]

    assert await codes() == ["500000", "500156", "500232"]
    assert await codes(after=("500000", "")) == ["500156", "500232"]
    assert await codes(day="2016-11-23") == ["500000", "500232"]
    assert await codes(day="2016-11-24", parent="500000") == ["500156"]
    assert await codes(parent="") == ["500000"]
    tree = await areas.area_tree(database)
    assert [one.name for one in tree.ancestors("500156", "2026-01-01")] == ["city"]


@pytest.mark.parametrize("table", TABLES)
async def test_the_past_of_a_table_has_every_column_of_the_table(database: Connection, table: str) -> None:
    """Or a later migration that adds a column would make every change of the table fail."""

    async def columns(of: str) -> list[tuple[Any, ...]]:
        cursor = await database.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (of,),
        )
        return await cursor.fetchall()

    now = await columns(table)
    assert (await columns(table + "_past"))[2:] == now
    assert {name for name, _ in await columns(table + "_ever")} >= {name for name, _ in now}


async def test_what_is_deleted_stays_in_the_past(database: Connection) -> None:
    await model(database)
    await put(database, "site", key="a")
    for serial in ("d", "v"):
        await put(database, "device", vendor="acme", serial=serial, model="m", site="a")
    async with writing(database, "2026-01-01"):
        await put(database, "link", detector="acme/d", valve="acme/v")
    async with writing(database, "2026-02-01", "ann"):
        await database.execute("DELETE FROM link")
    assert await installations.links_of(database, "acme/v") == []
    (then,) = await installations.links_of(database, "acme/v", as_of_us=us("2026-01-15"))
    assert (then.link.detector, then.recorded.version) == ("acme/d", 1)
    cursor = await database.execute("SELECT superseded_by FROM link_past")
    assert await cursor.fetchone() == ("ann",)
