"""Coverage over HTTP: a simulated city, ordered, made, published, and seen by each party as far as it is theirs."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from access.principals import Membership
from access.roles import Role
from devices.coverage_policy import load_policies
from storage.coverage_orders import Order, ask
from storage.coverage_turns import turn
from storage.database import Connection, connect
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.people import People, add_enterprise
from tests.api.stand import Stand, serving
from tests.coverage.city import AREA, END_US, TODAY, ZONE, random_city, register, speak
from tests.storage.cycles import DAY, HOUR, T0

NOW = END_US + HOUR
PARTIES = {
    "gas-a": Membership(Role.COMPANY_ADMINISTRATOR, "gas-a"),
    "gas-b": Membership(Role.OPERATOR, "gas-b"),
    "pm-1": Membership(Role.PROPERTY_MANAGER, "pm-1"),
    "bureau": Membership(Role.REGULATOR, "bureau", area=AREA),
    "elsewhere": Membership(Role.REGULATOR, "elsewhere", area="110"),
    "acme": Membership(Role.VENDOR, "acme", vendor="davysim"),
}


@dataclass(slots=True)
class Town:
    stand: Stand
    people: People
    connection: Connection

    async def get(self, name: str, path: str, status: int = 200, **query: Any) -> Any:
        answer = await self.stand.bare.get(
            f"/v1/coverage{path}", params=query, headers=self.people.headers(name), timeout=30
        )
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.content

    async def send(self, name: str, method: str, path: str, status: int, **body: Any) -> Any:
        answer = await self.stand.bare.request(
            method, f"/v1/coverage{path}", json=body, headers=self.people.headers(name)
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def report(self) -> int:
        """One on the city, made as the storage process makes it."""
        asked = await self.send(
            "bureau", "POST", f"/areas/{AREA}/reports", 202, policy="wulong_2022_targets", day=TODAY.isoformat()
        )
        assert asked["report"] is None
        while await turn(self.connection, load_policies(), "1.0", lambda: NOW):
            pass
        made = await self.get("bureau", f"/orders/{asked['order']}")
        assert made["because"] == ""
        return int(made["report"])


@pytest.fixture
async def town(engine: DoorDouble, database_url: str) -> AsyncIterator[Town]:
    connection = await connect(database_url, name="test town")
    people = People(NOW)
    kinds = {"gas-a": "gas_company", "gas-b": "gas_company", "pm-1": "property_manager", "acme": "vendor"}
    for key, member in PARTIES.items():
        kind = kinds.get(key, "regulator")
        area = {"bureau": AREA, "elsewhere": "110000"}.get(key, "")
        await add_enterprise(connection, key, kind, vendor="davysim" if key == "acme" else "", area=area)
        await people.person(connection, key, member)
    city = random_city(5, 90)
    await register(connection, city, T0 - 900 * DAY)
    await speak(database_url, connection, city)
    config = replace(config_of(engine.path, database_url), now_us=lambda: NOW)
    async with serving(config) as stand:
        await stand.parts.known.look()
        yield Town(stand, people, connection)
    await connection.close()


async def test_each_party_sees_its_part_and_the_parts_add_up(town: Town) -> None:
    report = await town.report()
    whole = (await town.get("bureau", f"/reports/{report}"))["whole"]
    parts = [(await town.get(name, f"/reports/{report}"))["whole"] for name in ("gas-a", "gas-b")]
    for name in ("sites", "required", "installed", "covered", "observed", "evidenced", "uncovered", "late"):
        assert whole[name] == sum(part[name] for part in parts)
    assert whole["covered"] == whole["observed"] + whole["evidenced"]
    managed = await town.get("pm-1", f"/reports/{report}/gaps", limit=1000)
    assert {gap["manager"] for gap in managed["gaps"]} == {"pm-1"}
    # For whom nothing is in it there is none; who has nothing to do with coverage may not ask.
    await town.get("elsewhere", f"/reports/{report}", 404)
    assert (await town.get("elsewhere", "/reports"))["reports"] == []
    await town.get("acme", f"/reports/{report}", 403)
    assert [one["report"] for one in (await town.get("gas-b", "/reports"))["reports"]] == [report]


async def test_down_to_the_single_reason_of_a_single_gap(town: Town) -> None:
    report = await town.report()
    shown = await town.get("bureau", f"/reports/{report}")
    for reason in shown["reasons"]:
        found = await town.get("bureau", f"/reports/{report}/gaps", reason=reason["reason"], limit=1000)
        assert len(found["gaps"]) == reason["sites"]
    pages, cursor = [], None
    while True:
        page = await town.get("bureau", f"/reports/{report}/gaps", limit=9, **({"cursor": cursor} if cursor else {}))
        pages += page["gaps"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(pages) == shown["whole"]["uncovered"]
    one = next(gap for gap in pages if gap["devices"])
    assert await town.get("bureau", f"/reports/{report}/gaps/{one['site']}") == one
    assert all(reason["name"] and reason["name_en"] for reason in one["reasons"])
    other = "gas-b" if one["enterprise"] == "gas-a" else "gas-a"
    await town.get(other, f"/reports/{report}/gaps/{one['site']}", 404)
    await town.get("bureau", f"/reports/{report}/gaps", 422, reason="because")


async def test_townships_and_departments_are_ranked(town: Town) -> None:
    report = await town.report()
    for by in ("township", "department", "county"):
        ranks = (await town.get("bureau", f"/reports/{report}/ranking", by=by))["ranks"]
        shares = [one["figures"]["covered_pct"] for one in ranks if one["rank"] is not None]
        assert shares == sorted(shares, reverse=True)
    assert [one["key"] for one in ranks] == [AREA]
    installed = (await town.get("bureau", f"/reports/{report}/ranking", share="installed"))["ranks"]
    shares = [one["figures"]["installed_pct"] for one in installed if one["rank"] is not None]
    assert shares == sorted(shares, reverse=True)


async def test_the_files_say_what_the_answers_say(town: Town) -> None:
    report = await town.report()
    whole = (await town.get("bureau", f"/reports/{report}"))["whole"]
    body = await town.get("bureau", f"/reports/{report}/figures.csv")
    first = next(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    assert {name: int(first[name]) for name in ("sites", "required", "covered", "late")} == {
        name: whole[name] for name in ("sites", "required", "covered", "late")
    }
    gaps = await town.get("gas-a", f"/reports/{report}/gaps.csv")
    rows = list(csv.DictReader(io.StringIO(gaps.decode("utf-8-sig"))))
    assert {row["enterprise"] for row in rows} == {"gas-a"}
    for lang in ("zh", "en"):
        paper = await town.get("bureau", f"/reports/{report}/report.pdf", lang=lang)
        assert paper.startswith(b"%PDF-")
        assert paper == await town.get("bureau", f"/reports/{report}/report.pdf", lang=lang)
        book = await town.get("bureau", f"/reports/{report}/report.xlsx", lang=lang)
        assert book.startswith(b"PK")


async def test_only_the_regulator_publishes_and_only_once(town: Town) -> None:
    report = await town.report()
    await town.send("gas-a", "POST", f"/reports/{report}/publish", 403)
    await town.send("elsewhere", "POST", f"/reports/{report}/publish", 404)
    done = await town.send("bureau", "POST", f"/reports/{report}/publish", 200)
    assert done["published"] is not None
    await town.send("bureau", "POST", f"/reports/{report}/publish", 409)
    again = {"policy": "wulong_2022_targets", "day": TODAY.isoformat(), "corrects": report}
    corrected = await town.send("bureau", "POST", f"/areas/{AREA}/reports", 202, **again)
    await turn(town.connection, load_policies(), "1.0", lambda: NOW)
    made = (await town.get("bureau", f"/orders/{corrected['order']}"))["report"]
    assert (await town.get("bureau", f"/reports/{made}"))["report"]["corrects"] == report
    await town.send("bureau", "POST", f"/areas/{AREA}/reports", 409, **again | {"corrects": 99})
    cursor = await town.connection.execute("SELECT tenant FROM audit_entry WHERE kind = 'report'")
    assert await cursor.fetchall() == [("bureau",)]


async def test_orders_that_make_no_sense_are_refused(town: Town) -> None:
    path, day = f"/areas/{AREA}/reports", TODAY.isoformat()
    await town.send("bureau", "POST", path, 422, policy="nothing", day=day)
    later = (TODAY + timedelta(days=30)).isoformat()
    await town.send("bureau", "POST", path, 422, policy="wulong_2022_steps", day=later)
    await town.send("bureau", "POST", "/areas/5001/reports", 404, policy="wulong_2022_steps", day=day)
    await town.send("elsewhere", "POST", path, 404, policy="wulong_2022_steps", day=day)
    await town.send("gas-a", "POST", path, 403, policy="wulong_2022_steps", day=day)
    await town.get("bureau", "/orders/99", 404)
    number = await ask(town.connection, Order("110000", TODAY, ZONE, "wulong_2022_steps", "test"), now_us=NOW)
    await town.get("bureau", f"/orders/{number}", 404)
    assert len((await town.get("gas-a", "/policies"))["policies"]) == 2


async def test_plans_and_schedules_are_the_regulators_of_the_area(town: Town) -> None:
    plans = [{"site_class": "hardship", "month": "2025-11", "planned": 40}]
    await town.send("bureau", "PUT", f"/areas/{AREA}/plans", 204, plans=plans)
    await town.send("elsewhere", "PUT", f"/areas/{AREA}/plans", 404, plans=plans)
    await town.send("bureau", "PUT", f"/areas/{AREA}/plans", 422, plans=plans * 2)
    expected = [{"area": AREA, "site_class": "hardship", "month": "2025-11", "planned": 40}]
    assert (await town.get("gas-a", "/plans"))["plans"] == expected
    assert (await town.get("elsewhere", "/plans"))["plans"] == []
    rows = (await town.get("bureau", f"/reports/{await town.report()}"))["plans"]
    assert [(row["month"], row["planned"]) for row in rows] == [("2025-11", 40), ("2025-12", 0)]
    path = f"/areas/{AREA}/schedules/wulong_2022_targets"
    await town.send("bureau", "PUT", path, 204)
    assert [one["area"] for one in (await town.get("bureau", "/schedules"))["schedules"]] == [AREA]
    assert (await town.get("elsewhere", "/schedules"))["schedules"] == []
    await town.send("bureau", "DELETE", path, 204)
    await town.send("bureau", "DELETE", path, 404)
    assert (await town.get("bureau", "/notices"))["notices"] == []
