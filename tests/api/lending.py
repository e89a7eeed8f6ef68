"""The parties of tests/api/parties.py behind a served API without an engine, and a grant between two of them."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from storage.database import connect
from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.parties import ROLES, T0, write_past, write_register
from tests.api.people import People
from tests.api.stand import Stand, serving

HOUR_US = 3_600_000_000
NOW_US = T0 + 10 * HOUR_US
ALARMS = ["alarm", "rule", "priority", "state", "site", "device", "area", "raised"]


@dataclass(slots=True)
class Town:
    stand: Stand
    people: People
    url: str
    clock: list[int] = field(default_factory=lambda: [NOW_US])

    async def ask(self, who: str, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        headers = self.people.headers(who)
        answer = await self.stand.bare.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{who}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def granted(self, receiver: str = "bureau", *, as_: str = "regulator", **more: Any) -> str:
        """A grant of gas-a that is accepted."""
        body = {
            "receiver": receiver,
            "fields": {"alarms": ALARMS},
            "purpose": "for a test",
            "begins": "2026-01-01T00:00:00Z",
        }
        made = await self.ask("company_administrator", "POST", "/v1/enterprises/gas-a/grants", body | more, 201)
        key = str(made["grant"])
        assert (made["counts"], made["accepted"]) == (False, None)
        taken = await self.ask(as_, "POST", f"/v1/enterprises/{receiver}/grants/{key}/accept")
        assert taken["accepted"]
        return key


@pytest.fixture
async def town(tmp_path: Path, database_url: str) -> AsyncIterator[Town]:
    people = People(NOW_US)
    connection = await connect(database_url, name="test")
    await write_register(connection)
    await write_past(connection)
    for name, membership in ROLES.items():
        await people.person(connection, name, membership)
    await connection.close()
    clock = [NOW_US]
    config = replace(
        config_of(tmp_path / "nobody.sock", database_url), master_key=MasterKey(os.urandom(32)), now_us=lambda: clock[0]
    )
    async with serving(config) as stand:
        await stand.parts.known.look()
        yield Town(stand, people, database_url, clock)
