"""A simulated city: what its clerks would register and what its devices said, as plain rows, and a way to bring both
into a real database by the import and the follower's writer."""

import json
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np

from devices.models import DeviceKind, DeviceModel, Tier, load_catalogue
from devices.readings import Rows, blank
from rules.documents.merged import default_pack
from storage.audit import record
from storage.batch import RulesPut
from storage.database import Connection
from storage.registry import import_registry
from storage.registry_record import By
from storage.registry_source import parse_source
from storage.rule_packs import write_rules
from tests.storage.cycles import DAY, HOUR, T0, cycle
from tests.storage.writing import write

ZONE = "Asia/Shanghai"
#: The day of the reports, in Shanghai: it ends at 16:00 UTC.
TODAY = date(2025, 12, 2)
END_US = T0 + 16 * HOUR
AREA = "500156"

_CATALOGUE = {model.key: model for model in load_catalogue()}
_VALVE = _CATALOGUE["sim_valve_self_closing"]
MODELS = (
    *_CATALOGUE.values(),
    msgspec.structs.replace(_CATALOGUE["sim_detector_home"], key="detector_mid", tier=Tier.MID, life_days=None),
    msgspec.structs.replace(_VALVE, key="valve_mid", tier=Tier.MID),
    msgspec.structs.replace(_VALVE, key="valve_unknown", tier=None),
    msgspec.structs.replace(_VALVE, key="valve_slow", tier=Tier.HIGH, report_interval_s=86_400.0),
)
KINDS = {model.key: model.kind for model in MODELS}


def model(key: str) -> DeviceModel:
    return next(one for one in MODELS if one.key == key)


@dataclass(slots=True)
class City:
    """sites, devices, installations: as in a JSON import. reached: site -> days on which somebody there was reached.
    said: identity -> (microseconds UTC, whether a gas was measured well, position of the valve). confirmed: identity ->
    when a CLOSE was confirmed."""

    sites: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    device_facts: list[dict[str, Any]] = field(default_factory=list)
    installations: list[dict[str, Any]] = field(default_factory=list)
    reached: dict[str, list[date]] = field(default_factory=dict)
    said: dict[str, list[tuple[int, bool, int]]] = field(default_factory=dict)
    confirmed: dict[str, list[int]] = field(default_factory=dict)


def random_city(seed: int, homes: int) -> City:
    """Sites and devices of every sort that a policy tells apart, near every one of its limits."""
    r, city = random.Random(seed), City()
    for n in range(homes):
        site = f"S{n:04}"
        one = {
            "key": site,
            "area": r.choice(("500156001", "500156002", "500156103", "500155001")),
            "enterprise": r.choice(("gas-a", "gas-a", "gas-b")),
            "manager": r.choice(("", "pm-1")),
            "site_class": r.choice(("", "household", "household", "household", "catering", "school")),
            "simulated": r.random() < 0.02,
        }
        facts = {
            "site": site,
            "department": r.choice(("", "商务", "教育")),
            "neighbourhood": r.choice(("", "new", "existing", "old")),
            "hardship": r.choice(("", "", "低保")),
            "gas_supply": r.choice(("", "natural_gas", "natural_gas", "natural_gas", "cylinders")),
            "gas_on": r.choice(("", "2015-05-01", "2022-01-09", "2022-01-10", "2025-12-03", "2024-02-29")),
        }
        if r.random() < 0.8:
            facts["building_height_m"] = r.choice((20.0, 99.5, 100.0, 100.5, 150.0))
        city.sites.append(one)
        city.facts.append(facts)
        if r.random() < 0.85:
            city.reached[site] = [_day(r, (-400, -366, -365, -364, -10, 0, 1)) for _ in range(r.randint(1, 2))]
        for k in range(r.choice((0, 1, 1, 2, 3))):
            _device(r, city, site, f"D{n:04}{k}", homes)
    return city


def _device(r: random.Random, city: City, site: str, serial: str, homes: int) -> None:
    key = r.choice(
        ("sim_detector_home", "detector_mid", "sim_valve_self_closing", "valve_mid", "valve_unknown", "valve_slow",
         "sim_valve_shut_off")
    )  # fmt: skip
    device: dict[str, Any] = {"vendor": "davysim", "serial": serial, "model": key, "site": site}
    identity = f"davysim/{serial}"
    if r.random() < 0.9:
        device["installed"] = _day(r, (-3700, -1826, -1825, -1096, -1095, -366, -365, -200, -5, 0, 1)).isoformat()
    if r.random() < 0.5:
        device["calibration_due"] = _day(r, (-100, -1, 0, 1, 200)).isoformat()
    if r.random() < 0.1:
        city.device_facts.append({"identity": identity, "life_end": _day(r, (-1, 0, 1)).isoformat()})
    if r.random() < 0.5:
        _installed(r, city, identity, site, homes)
    city.devices.append(device)
    moments = (END_US - DAY - HOUR, END_US - DAY, END_US - HOUR, END_US - 1, END_US, END_US + HOUR, END_US - 3 * DAY)
    said = [
        (r.choice(moments) - r.randint(0, 10), r.random() < 0.8, r.choice((1, 1, 1, 3)))
        for _ in range(r.choice((0, 1, 2, 4)))
    ]
    if said:
        city.said[identity] = sorted(said)
    if KINDS[key] is not DeviceKind.DETECTOR and r.random() < 0.5:
        city.confirmed[identity] = [END_US + r.choice((-370, -365, -364, -200, -1, 1)) * DAY + r.choice((-1, 0))]


def _installed(r: random.Random, city: City, identity: str, site: str, homes: int) -> None:
    begun = _day(r, (-500, -366, -364, -100, 0, 1))
    row: dict[str, Any] = {"key": f"W-{identity}", "identity": identity, "site": site, "since": begun.isoformat()}
    if r.random() < 0.4:
        row["evidence"] = ["photo-1"]
    if r.random() < 0.4:
        row["inspected"] = _day(r, (-366, -365, -364, -20, 0)).isoformat()
    if r.random() < 0.3:
        row["gas_on_check"] = begun.isoformat()
    if r.random() < 0.2:
        # It stood elsewhere before.
        before = begun - timedelta(days=200)
        other = {"key": f"V-{identity}", "identity": identity, "site": f"S{r.randrange(homes):04}"}
        city.installations.append(other | {"since": before.isoformat(), "until": begun.isoformat()})
    city.installations.append(row)


def _day(r: random.Random, offsets: tuple[int, ...]) -> date:
    return TODAY + timedelta(days=r.choice(offsets))


def rules() -> bytes:
    """The built-in rules, those about gas for one of the two companies only."""
    body = default_pack().decode()
    for number in (
        "ch4-low",
        "ch4-high",
        "co-alarm",
        "co-high",
        "co-50",
        "co-30",
        "co-dose-5",
        "co-dose-10",
        "ch4-rise",
    ):
        body = body.replace(f'id = "{number}"\n', f'id = "{number}"\nonly = {{ enterprises = ["gas-a"] }}\n')
    return body.encode()


async def register(connection: Connection, city: City, at_us: int) -> None:
    """By an import of files, at a time; people and when they were reached by rows, as their import would."""
    document = {
        "sites": city.sites,
        "site_facts": city.facts,
        "devices": city.devices,
        "device_facts": city.device_facts,
        "installations": city.installations,
    }
    rows = parse_source(json.dumps(document).encode())
    done = await import_registry(
        connection, rows, MODELS, dry_run=False, random_bytes=random.Random(1).randbytes, by=By("clerk", at_us)
    )
    assert done.applied, [fate for fate in done.fates if fate.reason][:5] + list(done.faults)[:5]
    async with connection.transaction():
        await connection.execute("SELECT set_config('davy.at', %s, true)", (str(at_us),))
        cursor, sites = connection.cursor(), [(site,) for site in city.reached]
        await cursor.executemany("INSERT INTO person (tenant, key) VALUES ('gas-a', %s)", sites)
        await cursor.executemany(
            "INSERT INTO site_role (tenant, person, site, role) VALUES ('gas-a', %s, %s, 'resident')",
            [(site, site) for (site,) in sites],
        )
        await cursor.executemany(
            "INSERT INTO contact (tenant, person, channel, rank, proven) VALUES ('gas-a', %s, 'sms', %s, %s)",
            [(site, rank, day) for site, days in city.reached.items() for rank, day in enumerate(days, 1)],
        )


async def speak(url: str, connection: Connection, city: City) -> None:
    """What the devices said, as the follower writes it; what was confirmed; the rules."""
    cursor = await connection.execute("SELECT identity, device_no FROM device")
    numbers = dict(await cursor.fetchall())
    await write(url, [cycle(1, _readings(city, numbers))], now=END_US)
    for identity, times in city.confirmed.items():
        for n, at in enumerate(times):
            await connection.execute(
                "INSERT INTO wanted (wanted, device_no, epoch, reason, since, outcome, ended, verb) VALUES"
                " (%s, %s, 1, 'test', to_timestamp(%s), 'confirmed', to_timestamp(%s), 'close')",
                (f"{identity}-{n}", numbers[identity], at / 1e6 - 5, at / 1e6),
            )
    body = rules()
    async with connection.transaction():
        await write_rules(connection, "engine-1", [RulesPut(1, 0, T0 - 900 * DAY, "ab" * 32, "clerk", body)])
        await record(connection, [])


def _readings(city: City, numbers: dict[str, int]) -> Rows:
    said = [(identity, *one) for identity, ones in city.said.items() for one in ones]
    kinds = {f"davysim/{one['serial']}": KINDS[one["model"]] for one in city.devices}
    rows = blank(len(said))
    for n, (identity, at, good, valve) in enumerate(said):
        row = rows[n]
        row["device_no"], row["boot"], row["seq"], row["ts"] = numbers[identity], 1, n, at
        row["device_ts"], row["received"] = at, at + 50_000
        if kinds[identity] is DeviceKind.DETECTOR:
            row["combustible_lel"] = 1.0 if good else np.nan
            row["quality"] = row["quality"] & ~np.int64(0xF) if good else row["quality"] & ~np.int64(0xF) | 3
        else:
            row["valve"] = valve if good else 0
    return rows
