"""Signed heads: made when a chain grew, published where nobody here can alter them, and never contradicted silently."""

from pathlib import Path

import pytest

from access.audit_heads import heads_faults
from access.audit_verify import verify_export
from storage.audit import Said, record
from storage.audit_export import export_lines, tenants_with_a_chain
from storage.audit_heads import publish, published_in, sign_heads
from storage.database import Connection
from storage.vouching import publish_all, vouch
from tests.audit.chains import KEY
from tests.storage.cycles import HOUR, SECOND, T0

PUBLIC = [KEY.private.public_key()]


async def said(connection: Connection, *tenants: str) -> None:
    await record(connection, [Said(tenant, T0, "login", "person/1", {"n": "1"}) for tenant in tenants])


async def exported(connection: Connection, tenant: str, **part: int) -> list[bytes]:
    return [line async for line in export_lines(connection, tenant, **part)]


async def test_heads_are_signed_when_a_chain_grew_and_not_otherwise(database: Connection, tmp_path: Path) -> None:
    assert await sign_heads(database, KEY, T0, None) is None
    await said(database, "a", "b")
    first = await sign_heads(database, KEY, T0, None)
    assert first is not None
    assert [(head.tenant, head.n) for head in first.parsed().heads] == [("a", 1), ("b", 1)]
    assert await sign_heads(database, KEY, T0, None) is None
    await said(database, "b")
    second = await sign_heads(database, KEY, T0, None)
    assert second is not None
    assert [(head.tenant, head.n) for head in second.parsed().heads] == [("b", 2)]


async def test_what_is_due_is_signed_and_published_and_verifies(database: Connection, tmp_path: Path) -> None:
    await said(database, "a")
    await vouch(database, KEY, tmp_path, 3600, T0)
    await said(database, "a")
    await vouch(database, KEY, tmp_path, 3600, T0 + 10 * SECOND)  # not due yet
    await vouch(database, KEY, tmp_path, 3600, T0 + HOUR)
    published = published_in(tmp_path)
    assert [signed.parsed().number for signed in published] == [1, 2]
    assert heads_faults(published, PUBLIC) == []
    found = verify_export(await exported(database, "a"), published)
    assert (found.sound, found.covered_to, found.heads) == (True, 2, 2)


async def test_a_folder_that_was_away_gets_all_that_it_missed(database: Connection, tmp_path: Path) -> None:
    folder = tmp_path / "mount"
    for hour in range(3):
        await said(database, "a")
        with pytest.raises(FileNotFoundError):
            await vouch(database, KEY, folder, 3600, T0 + hour * HOUR)
    folder.mkdir()
    assert await publish_all(database, folder) == 3
    assert await publish_all(database, folder) == 0


async def test_a_folder_that_holds_another_document_by_that_name_is_refused(
    database: Connection, tmp_path: Path
) -> None:
    await said(database, "a")
    signed = await sign_heads(database, KEY, T0, None)
    assert signed is not None
    (tmp_path / signed.file_name).write_bytes(b"{}\n")
    with pytest.raises(FileExistsError, match="other heads than number 1"):
        publish(signed, tmp_path)
    assert (tmp_path / signed.file_name).read_bytes() == b"{}\n"


async def test_a_database_that_was_put_back_goes_on_after_what_was_published_and_shows(
    database: Connection, tmp_path: Path
) -> None:
    for _ in range(3):
        await said(database, "a")
        await vouch(database, KEY, tmp_path, 0, T0)
    await database.execute("SET session_replication_role = replica")
    await database.execute("DELETE FROM audit_heads WHERE number > 1")
    await database.execute("DELETE FROM audit_entry WHERE n > 1")
    await database.execute("UPDATE audit_end SET n = 1, sha256 = (SELECT sha256 FROM audit_entry)")
    await database.execute("UPDATE audit_vouched SET n = 1")
    await database.execute("SET session_replication_role = origin")
    await record(database, [Said("a", T0 + SECOND, "login", "person/2", {})])
    await vouch(database, KEY, tmp_path, 0, T0 + HOUR)
    published = published_in(tmp_path)
    assert [signed.parsed().number for signed in published] == [1, 2, 3, 4]
    assert heads_faults(published, PUBLIC) == []
    found = verify_export(await exported(database, "a"), published)
    assert [fault.reason for fault in found.faults] == [
        "entry 2 is not the one that a signed head vouches for",
        "ends with entry 2, and a signed head speaks of entry 3: cut off",
    ]


async def test_an_export_holds_the_chain_as_far_as_it_went_or_the_part_that_was_asked_for(
    database: Connection,
) -> None:
    assert verify_export(await exported(database, "nobody"), []).sound
    await said(database, *["a"] * 5, "b")
    assert await tenants_with_a_chain(database) == [("a", 5), ("b", 1)]
    whole = verify_export(await exported(database, "a"), [])
    assert (whole.sound, whole.to_n) == (True, 5)
    part = verify_export(await exported(database, "a", from_n=2, to_n=3), [], part=True)
    assert (part.sound, part.from_n, part.to_n) == (True, 2, 3)
