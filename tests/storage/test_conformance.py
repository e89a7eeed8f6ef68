"""What models say of themselves beside what they did: an honest one, one that lies, one that is silent."""

import numpy as np
import pytest

from devices.conformance.conform import conform
from devices.conformance.evidence import Evidence, Share
from devices.conformance.questions import Verdict
from devices.conformance.requirements import load_requirements
from devices.models import DeviceKind, Tier
from devices.quantities import Flag, ValvePosition, quality_shift
from devices.readings import Rows, blank
from storage.conformance import evidence
from storage.database import Connection
from storage.modes import Mode
from storage.partitions import Partitions
from storage.rollups import Rollups
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND, T0, cycle
from tests.storage.writing import write

DEVICES = 120
INTERVAL_S = 1800.0


async def fleet(database: Connection, model: str, first: int, *, identified: bool = False) -> None:
    await database.execute("INSERT INTO device_model VALUES (%s, 'detector', 'acme', 'M', '{}')", (model,))
    await database.execute("INSERT INTO site (key) VALUES (%s)", (f"home-{model}",))
    await database.execute(
        "INSERT INTO device (device_no, vendor, serial, model, site, identifier, identifier_kind)"
        " SELECT n, 'acme', 'd' || n, %s, %s, %s, %s FROM generate_series(%s::int, %s) n",
        (
            model,
            f"home-{model}",
            "88.1.2/x" if identified else "",
            "active" if identified else "",
            first,
            first + DEVICES - 1,
        ),
    )


def heard(first: int, *, lel: bool = True, co: bool = True, every: int = 1) -> Rows:
    """Two days of readings, one each INTERVAL_S; `every` n-th interval only."""
    per_device = int(2 * DAY / 1e6 / INTERVAL_S) // every
    rows = blank(DEVICES * per_device)
    k = np.arange(len(rows))
    rows["device_no"] = first + k // per_device
    rows["seq"], rows["boot"] = k % per_device, 1
    rows["ts"] = T0 + (k % per_device) * int(INTERVAL_S * SECOND) * every
    rows["device_ts"] = rows["received"] = rows["ts"]
    for name, sent in (("combustible_lel", lel), ("co_ppm", co)):
        if sent:
            rows[name] = 1.0
            rows["quality"] &= ~np.int64(0xF << quality_shift(name))
    return rows


async def stored(database: Connection, url: str, mode: Mode, *parts: Rows) -> None:
    await write(url, [cycle(n + 1, part) for n, part in enumerate(parts)])
    rollups = Rollups(database, Partitions(mode))
    while await rollups.turn(T0 + 3 * DAY, T0 - 30 * DAY):
        pass


async def asked(database: Connection, model: str, **more: object) -> Evidence:
    told = {"claims": ("combustible_lel", "co_ppm"), "report_interval_s": INTERVAL_S} | more
    return await evidence(database, model, from_us=T0, to_us=T0 + 2 * DAY, **told)  # type: ignore[arg-type]


def verdicts(seen: Evidence) -> dict[str, Verdict]:
    found = conform("m", DeviceKind.DETECTOR, Tier.MID, load_requirements(), seen)
    return {one.clause.id: one.verdict for one in found.clauses}


async def test_what_devices_sent_is_counted_and_what_they_never_sent_is_not_met(
    database: Connection, url: str, mode: Mode
) -> None:
    await fleet(database, "honest", 1, identified=True)
    await fleet(database, "liar", 1001)
    await fleet(database, "silent", 2001)
    await stored(database, url, mode, heard(1), heard(1001, co=False, every=4))
    honest, liar, silent = [await asked(database, model) for model in ("honest", "liar", "silent")]
    assert honest.reported == Share(DEVICES, DEVICES)
    assert honest.sent == {"combustible_lel": Share(DEVICES, DEVICES), "co_ppm": Share(DEVICES, DEVICES)}
    assert honest.intervals == Share(DEVICES * 48, DEVICES * 48)
    assert liar.sent["co_ppm"] == Share(0, DEVICES)
    assert liar.intervals == Share(DEVICES * 12, DEVICES * 48)
    assert silent.reported == Share(0, DEVICES)
    assert verdicts(honest)["detector-3-co"] is Verdict.MET
    assert verdicts(honest)["detector-5-active"] is Verdict.MET
    assert verdicts(liar)["detector-3-co"] is Verdict.NOT_MET
    assert verdicts(liar)["detector-5"] is Verdict.NOT_MET
    assert verdicts(liar)["detector-7"] is Verdict.NOT_MET
    assert verdicts(silent)["detector-7"] is Verdict.NOT_MET
    assert verdicts(silent)["detector-4"] is Verdict.NOT_OBSERVABLE


async def test_a_device_that_sees_gas_and_says_nothing_shows(database: Connection, url: str, mode: Mode) -> None:
    await fleet(database, "dumb", 1)
    rows = heard(1)
    high = rows["seq"] == 3
    rows["combustible_lel"][high] = 60.0
    rows["flags"][high & (rows["device_no"] <= 60)] = Flag.HIGH_ALARM
    await stored(database, url, mode, rows)
    seen = await asked(database, "dumb")
    assert seen.alarms == Share(60, DEVICES)
    assert seen.state == Share(60, 60)
    assert verdicts(seen)["detector-7"] is Verdict.NOT_MET


async def test_closings_count_by_the_models_own_deadline_and_cancelled_ones_do_not(
    database: Connection, url: str, mode: Mode
) -> None:
    await fleet(database, "m", 1)
    await database.execute(
        "INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed)"
        " SELECT 'a' || n, 'r', n, 'home-m', 1, 0, %(at)s, %(at)s, %(at)s FROM generate_series(1, 100) n",
        {"at": "2025-12-02T01:00:00Z"},
    )
    await database.execute(
        "INSERT INTO wanted (wanted, device_no, epoch, reason, alarm, since, confirm_by, outcome, ended)"
        " SELECT 'w' || n, n, 1, 'r', 'a' || n, %(at)s, %(at)s::timestamptz + interval '10 s',"
        " CASE WHEN n > 95 THEN 'cancelled' ELSE 'confirmed' END, %(at)s::timestamptz +"
        " CASE WHEN n <= 90 THEN interval '3 s' ELSE interval '12 s' END FROM generate_series(1, 100) n",
        {"at": "2025-12-02T01:00:00Z"},
    )
    seen = await asked(database, "m")
    assert seen.closings == Share(90, 95)
    assert (seen.latencies_ms[0], seen.latencies_ms[-1], len(seen.latencies_ms)) == (3_000, 12_000, 95)


async def test_the_position_of_a_linked_valve_and_papers_count_as_of_the_day(
    database: Connection, url: str, mode: Mode
) -> None:
    await fleet(database, "det", 1)
    await fleet(database, "valve", 1001)
    await database.execute(
        "INSERT INTO link (detector, valve) SELECT 'acme/d' || n, 'acme/d' || 1000 + n FROM generate_series(1, 20) n"
    )
    await database.execute(
        "INSERT INTO certificate (scheme, number, model, expires) VALUES ('CPA', '1', 'det', NULL),"
        " ('Ex', '2', 'det', '2025-12-01'), ('fire', '3', 'det', '2030-01-01'), ('fire', '4', 'det', '2020-01-01')"
    )
    rows = heard(1001, lel=False, co=False)
    rows["valve"] = np.where(rows["device_no"] <= 1015, ValvePosition.OPEN, ValvePosition.UNKNOWN)
    await stored(database, url, mode, rows)
    seen = await asked(database, "det")
    assert (seen.linked, seen.linked_reports) == (Share(20, DEVICES), Share(15, 20))
    assert (seen.papers.in_force, seen.papers.expired) == ({"CPA", "fire"}, {"Ex": "2025-12-01"})


@pytest.mark.parametrize("simulated", [False, True])
async def test_simulated_homes_count_only_where_they_are_asked_for(database: Connection, simulated: bool) -> None:
    await fleet(database, "m", 1)
    await database.execute("UPDATE site SET simulated = true")
    assert (await asked(database, "m", simulated=simulated)).devices == (DEVICES if simulated else 0)


def test_the_hours_of_a_test_are_whole() -> None:
    assert (T0 % HOUR, int(INTERVAL_S * SECOND) % MINUTE) == (0, 0)
