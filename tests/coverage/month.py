"""A random month of two gas companies and a vendor, near every border of it: brought into a real database, and counted
by hand, one thing after another."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from access.enterprises import Enterprise, EnterpriseKind
from devices.scorecard import STEPS, Promise, Step, Tally
from storage.database import Connection
from storage.promises import holding, promise
from storage.times import as_datetime

ZONE = ZoneInfo("Asia/Shanghai")
MONTH = date(2025, 11, 1)
#: Written out, and not computed: midnight in Shanghai is 16:00 UTC of the day before.
BEGIN = datetime(2025, 10, 31, 16, tzinfo=UTC)
END = datetime(2025, 11, 30, 16, tzinfo=UTC)
SECOND, HOUR = 1_000_000, 3_600_000_000
BEGIN_US, END_US = (int(one.timestamp()) * SECOND for one in (BEGIN, END))
NOW_US = END_US + 20 * HOUR
GAS = Enterprise(key="gas-a", kind=EnterpriseKind.GAS_COMPANY)
ACME = Enterprise(key="acme-co", kind=EnterpriseKind.VENDOR, vendor="acme")
AREAS = ("500156001", "500156002", "500101001")


@dataclass(slots=True)
class Alarm:
    """Times in microseconds since 1970 UTC."""

    site: str
    device: int
    raised: int
    priority: int
    trial: bool
    incident: str
    acknowledged: list[int] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """sites: key -> (area, enterprise, simulated, gone, recorded). devices: number -> (vendor, site, gone, gateway).
    incidents: name -> (the larger one it became part of, its events)."""

    sites: dict[str, tuple[str, str, bool, int | None, int]] = field(default_factory=dict)
    devices: dict[int, tuple[str, str, int | None, bool]] = field(default_factory=dict)
    heard: dict[int, list[int]] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    incidents: dict[str, tuple[str, list[tuple[int, str]]]] = field(default_factory=dict)
    promised: dict[str, list[Promise]] = field(default_factory=dict)


def random_world(seed: int) -> World:
    """Everything near every border: of the month, of what is promised, of when somebody looks."""
    r, world = random.Random(seed), World()
    edges = (BEGIN_US - 1, BEGIN_US, BEGIN_US + HOUR, END_US - HOUR, END_US - 1, END_US, END_US + HOUR)
    for n in range(40):
        gone = r.choice((None, None, None, END_US - 1, END_US, END_US + 1))
        recorded = r.choice((BEGIN_US - HOUR,) * 5 + (END_US, END_US + 1))
        owner = r.choice(("gas-a", "gas-a", "gas-b"))
        world.sites[f"S{n}"] = (r.choice(AREAS), owner, r.random() < 0.1, gone, recorded)
    for number in range(1, 81):
        site = f"S{r.randrange(40)}"
        gone = r.choice((None, None, None, None, END_US - 1, END_US))
        world.devices[number] = (r.choice(("acme", "bell")), site, gone, r.random() < 0.1)
        hours = {at // HOUR * HOUR for at in r.sample(edges, r.choice((0, 0, 1, 2)))}
        world.heard[number] = sorted(hours)
    for company in ("gas-a", "gas-b"):
        for since in r.choice(
            ((), (date(2025, 10, 3),), (date(2025, 10, 3), date(2025, 11, 15)), (date(2025, 11, 15),))
        ):
            limits = [r.choice((None, 60, 1800, 70_000)) for _ in STEPS]
            if any(limits):
                world.promised.setdefault(company, []).append(Promise(since, "https://example.com", *limits))
    for n in range(30):
        larger = f"I{r.randrange(n)}" if n and r.random() < 0.3 else ""
        when = [r.choice((*edges, r.randrange(BEGIN_US, NOW_US), NOW_US, NOW_US + 1)) for _ in range(r.randrange(5))]
        changes = ("dispatched", "arrived", "closed", "commented")
        world.incidents[f"I{n}"] = (larger, [(at, r.choice(changes)) for at in when])
    middle = int(datetime(2025, 11, 15, tzinfo=ZONE).timestamp()) * SECOND
    for _ in range(120):
        number = r.randrange(1, 81)
        raised = r.choice((*edges, middle - 1, middle, r.randrange(BEGIN_US, END_US)))
        one = Alarm(world.devices[number][1], number, raised, r.choice((1, 2, 3, 4)), r.random() < 0.1, "")
        one.incident = f"I{r.randrange(30)}" if r.random() < 0.8 else ""
        steps = (0, 59 * SECOND, 60 * SECOND, 60 * SECOND + 1, 1800 * SECOND, 70_000 * SECOND, NOW_US - raised)
        one.acknowledged = sorted(raised + r.choice(steps) for _ in range(r.choice((0, 1, 1, 2))))
        world.alarms.append(one)
    return world


#: Of each seventh device nothing but its battery is known.
_HOUR = """
INSERT INTO reading_1h (bucket, device_no, n, bad, flags, combustible_lel_n, co_ppm_n, pressure_kpa_n, flow_m3h_n,
    temperature_c_n, humidity_pct_n, battery_pct_n, rssi_dbm_n, valve, valve_cause)
VALUES (%(at)s, %(no)s, 3, 0, 0, %(gas)s, 0, 0, 0, 0, 0, 3, 0, %(valve)s, 0)"""


async def write(database: Connection, world: World) -> None:
    run = database.execute
    for key, kind, vendor in (
        ("gas-a", "gas_company", ""),
        ("gas-b", "gas_company", ""),
        ("acme-co", "vendor", "acme"),
    ):
        await run("INSERT INTO enterprise (key, kind, vendor) VALUES (%s, %s, %s)", (key, kind, vendor))
    await run("INSERT INTO device_model VALUES ('d', 'detector', 'v', 'n', '{}'), ('g', 'gateway', 'v', 'n', '{}')")
    for key, (area, owner, simulated, gone, recorded) in world.sites.items():
        await run(
            "INSERT INTO site (key, area, enterprise, simulated, gone, recorded) VALUES (%s, %s, %s, %s, %s, %s)",
            (key, area, owner, simulated, None if gone is None else as_datetime(gone), as_datetime(recorded)),
        )
    for no, (vendor, site, gone, gateway) in world.devices.items():
        await run(
            "INSERT INTO device (device_no, vendor, serial, model, site, gone, recorded)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (no, vendor, str(no), "g" if gateway else "d", site, None if gone is None else as_datetime(gone), BEGIN),
        )
        for hour in world.heard[no]:
            await run(_HOUR, {"no": no, "at": as_datetime(hour), "gas": int(no % 7 > 0), "valve": int(no % 7 == 1)})
    for company, said in world.promised.items():
        for one in said:
            assert await promise(database, company, one, by="test", now_us=BEGIN_US - 60 * 24 * HOUR)
    events = [(name, at, change) for name, (_, said) in world.incidents.items() for at, change in said]
    for name, (larger, _) in world.incidents.items():
        await run(
            "INSERT INTO incident (incident, scope, key, priority, opened, changed, merged_into)"
            " VALUES (%s, 'site', '', 1, %s, %s, %s)",
            (name, BEGIN, BEGIN, larger),
        )
    for n, (name, at, change) in enumerate(events):
        await run(
            "INSERT INTO incident_event (engine, cycle, n, incident, at, change, priority)"
            " VALUES ('e', 1, %s, %s, %s, %s, 1)",
            (n, name, as_datetime(at), change),
        )
    for n, alarm in enumerate(world.alarms):
        at = as_datetime(alarm.raised)
        await run(
            "INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, trial, incident)"
            " VALUES (%s, 'r', %s, %s, %s, 0, %s, %s, %s, %s, %s)",
            (f"A{n}", alarm.device, alarm.site, alarm.priority, at, at, at, alarm.trial, alarm.incident),
        )
        for k, acknowledged in enumerate(alarm.acknowledged):
            await run(
                "INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state)"
                " VALUES ('e', %s, %s, %s, %s, 'acknowledged', 2)",
                (n + 2, k, f"A{n}", as_datetime(acknowledged)),
            )


def by_hand(world: World, party: Enterprise, within: str) -> dict[str, Tally]:
    """The same as the database's count, one thing after another."""
    found: dict[str, Tally] = {}

    def add(area: str, tally: Tally) -> None:
        found[area] = found.get(area, Tally()) + tally

    for key, (area, owner, simulated, gone, recorded) in world.sites.items():
        if simulated or not area.startswith(within) or recorded > END_US or (gone is not None and gone < END_US):
            continue
        mine = [
            no
            for no, (vendor, site, ended, gateway) in world.devices.items()
            if site == key and not gateway and (ended is None or ended >= END_US)
            and (party.kind is EnterpriseKind.GAS_COMPANY or vendor == party.vendor)
        ]  # fmt: skip
        if party.kind is EnterpriseKind.GAS_COMPANY:
            if owner != party.key:
                continue
        elif not mine:
            continue
        said = sum(no % 7 > 0 and any(BEGIN_US <= at < END_US for at in world.heard[no]) for no in mine)
        add(area, Tally(1, int(said > 0), len(mine), said))
    for alarm in world.alarms:
        area, owner, simulated, _, _ = world.sites[alarm.site]
        whose = owner == party.key if party.kind is EnterpriseKind.GAS_COMPANY else (
            world.devices[alarm.device][0] == party.vendor
        )  # fmt: skip
        if not whose or simulated or alarm.trial or not area.startswith(within):
            continue
        if not BEGIN_US <= alarm.raised < END_US:
            continue
        if alarm.priority > 2:
            add(area, Tally(others=1))
            continue
        done = {"acknowledged": [at for at in alarm.acknowledged if at < NOW_US]}
        name = alarm.incident
        while name:
            larger, events = world.incidents[name]
            for at, change in events:
                if at < NOW_US:
                    done.setdefault(change, []).append(at)
            name = larger
        day = datetime.fromtimestamp(alarm.raised / SECOND, UTC).astimezone(ZONE).date()
        held = holding(tuple(world.promised.get(owner, ())), day)
        steps = {}
        for step in STEPS:
            at = min(done.get(step, []), default=None)
            limit = getattr(held, f"{step}_s") if held else None
            due = None if limit is None else alarm.raised + limit * SECOND
            judged = due is not None and (at is not None or due < NOW_US)
            steps[step] = Step(int(at is not None), int(judged), int(due is not None and at is not None and at <= due))
        add(area, Tally(alarms=1, **steps))
    return found
