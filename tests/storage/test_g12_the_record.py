"""G12: whatever kills the follower, every alarm, acknowledgement and command stands in the record once, in order, and a
stranger finds the chain whole."""

import random
from pathlib import Path

import msgspec

from access.audit_heads import heads_faults
from access.audit_verify import verify_export
from engine.records import CycleRecord
from rules.decisions import AlarmState, Change, CloseWanted, Decision
from storage.audit_export import export_lines
from storage.audit_heads import published_in
from storage.database import connect
from storage.vouching import vouch
from tests.audit.chains import KEY
from tests.postgres import Server
from tests.storage.cycles import HOUR, SECOND, T0, RecordedJournal, cycle
from tests.storage.test_decided import changed, raised
from tests.storage.test_follower import following

_CYCLES = 200


class _InSmallParts(RecordedJournal):
    """A journal that gives a few cycles at a time, so that there are many commits to be killed in."""

    def read(self, after_cycle: int, most_readings: int) -> list[CycleRecord]:
        return super().read(after_cycle, most_readings)[:3]


def _decisions(n: int) -> tuple[Decision, ...]:
    at = T0 + n * SECOND
    return (
        raised(f"alarm-{n}", at=at),
        CloseWanted(at=at, wanted=f"w{n}", device_no=1, epoch=n, reason="gas-high", alarm=f"alarm-{n}"),
        changed(f"alarm-{n}", Change.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, at=at + 1, by="person/7"),
    )


async def test_g12_every_decision_is_in_the_record_once_whatever_is_killed_and_a_stranger_can_verify_it(
    plain_server: Server, plain_url: str, tmp_path: Path
) -> None:
    admin = await connect(plain_url, name="test")
    await admin.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-1', 'gas_company')")
    await admin.execute("INSERT INTO site (key, enterprise) VALUES ('home-1', 'gas-1')")
    await admin.execute("INSERT INTO device_model VALUES ('m', 'shut_off_valve', 'acme', 'M', '{}')")
    await admin.execute("INSERT INTO device (vendor, serial, model, site) VALUES ('acme', 'v1', 'm', 'home-1')")
    records = [cycle(n, decisions=_decisions(n), now=T0 + n * SECOND) for n in range(1, _CYCLES + 1)]
    rng, kills = random.Random(12), 0
    async with following(plain_url, lambda: _InSmallParts(records), tmp_path / "no door") as watch:
        while watch.seen.cycle < _CYCLES:
            goal = min(_CYCLES, watch.seen.cycle + rng.randrange(1, 25))
            await watch.until_cycle(goal)
            cursor = await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'davy follower'"
                " AND datname = current_database()"
            )
            kills += len(await cursor.fetchall())
    assert kills >= 5
    await vouch(admin, KEY, tmp_path, 1, T0 + HOUR)
    lines = [line async for line in export_lines(admin, "gas-1")]
    published = published_in(tmp_path)
    assert heads_faults(published, [KEY.private.public_key()]) == []
    found = verify_export(lines, published)
    assert (found.sound, found.covered_to) == (True, 3 * _CYCLES)
    events = [msgspec.json.decode(msgspec.json.decode(line)["body"])["event"] for line in lines[1:]]
    assert events == [f"engine-1:{n}:{k}" for n in range(1, _CYCLES + 1) for k in range(3)]
    await admin.close()
