"""The record over HTTP: read and taken along by its tenant, its signed heads by everybody."""

from collections.abc import AsyncIterator

import pytest

from access.audit_heads import SignedHeads, heads_faults
from access.audit_verify import verify_export
from storage import audit_export
from storage.audit import Said, record_many
from storage.audit_heads import sign_heads
from storage.database import Connection, connect
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving
from tests.audit.chains import KEY, T0


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path, database_url)) as served:
        yield served


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    connection = await connect(database_url, name="test")
    yield connection
    await connection.close()


async def said(owner: Connection, tenant: str, many: int) -> None:
    kinds = ("login", "grant")
    await record_many(owner, [Said(tenant, T0 + n, kinds[n % 2], f"person/{n % 3}", {"n": n}) for n in range(many)])


async def test_a_chain_is_read_in_pages_and_by_kind_person_and_time(stand: Stand, owner: Connection) -> None:
    await said(owner, "gas-1", 7)
    path = "/v1/enterprises/gas-1/audit"
    found, cursor = [], ""
    while True:
        page = (await stand.http.get(path, params={"limit": "3", **({"cursor": cursor} if cursor else {})})).json()
        found += [one["n"] for one in page["entries"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [1, 2, 3, 4, 5, 6, 7]
    asked = {"kind": "grant", "by": "person/1", "from": "2025-12-02T00:00:00.000001Z"}
    page = (await stand.http.get(path, params=asked)).json()
    assert [(one["kind"], one["by"]) for one in page["entries"]] == [("grant", "person/1")]
    own = (await stand.http.get("/v1/audit")).json()["entries"]
    assert {one["kind"] for one in own} <= {"break_glass"}, (
        "the platform's own chain holds the use of its token at most"
    )


async def test_an_export_and_the_public_heads_are_all_that_a_stranger_needs(
    stand: Stand, owner: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "_ROWS", 4)
    await said(owner, "gas-1", 11)
    await sign_heads(owner, KEY, T0, None)
    answer = await stand.http.get("/v1/enterprises/gas-1/audit/export")
    assert answer.status_code == 200
    heads = (await stand.bare.get("/v1/public/audit/heads")).json()
    published = [SignedHeads(**one) for one in heads["heads"]]
    assert heads_faults(published, [KEY.private.public_key()]) == []
    verified = verify_export(answer.content.splitlines(keepends=True), published)
    assert (verified.sound, verified.covered_to) == (True, 11)
    part = await stand.http.get("/v1/enterprises/gas-1/audit/export", params={"from_n": "5"})
    assert verify_export(part.content.splitlines(keepends=True), published, part=True).from_n == 5


async def test_an_empty_chain_is_an_empty_export(stand: Stand) -> None:
    answer = await stand.http.get("/v1/enterprises/nobody/audit/export")
    assert verify_export(answer.content.splitlines(keepends=True), []).sound


async def test_nobody_reads_a_record_without_signing_in(stand: Stand) -> None:
    for path in ("/v1/audit", "/v1/enterprises/gas-1/audit", "/v1/enterprises/gas-1/audit/export"):
        assert (await stand.bare.get(path)).status_code == 401
