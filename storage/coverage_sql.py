"""The questions that coverage asks of the database. Each has `known`, the time as of which the register counts (what
was recorded by then), `day`, and `until`, the time before which readings count.

E1  A device is where an installation that covers the day says; without any installation, where the register had it. One
    whose installations all ended, or begin later, was nowhere.
E2  What is a date of the world (an inspection, a contact that was proven) counts in whichever version it was recorded,
    if that was by `known` and the date is not after the day: a later inspection does not hide an earlier one.
E3  A reading counts by the hour in which it was taken, so that the same answer comes from the newest reading, the
    readings themselves, and the hours they were summed up to once they are gone.
"""
# ruff: noqa: S608 - the parts are constants of this file; values are parameters

from devices.coverage_columns import NO_DAY
from devices.quantities import GAS_QUANTITIES, Flag, quality_shift

_AS_OF = "recorded <= %(known)s AND (superseded IS NULL OR superseded > %(known)s)"
_THERE = "(gone IS NULL OR gone > %(until)s)"
_IN_AREA = f"area LIKE %(area)s AND simulated = %(simulated)s AND {_AS_OF} AND {_THERE}"
_EPOCH = "DATE '1970-01-01'"
#: What stands between tags that leave as one text: a million small arrays are slow to read. No tag has it: files of the
#: registry take no U+001F.
BETWEEN = "\x1f"
_BETWEEN = "chr(31)"


def _day(of: str) -> str:
    """A day as a number, NO_DAY for none, so that nothing has to be looked at one by one in Python."""
    return f"coalesce({of} - {_EPOCH}, {NO_DAY})"


#: Days are numbers since 1970 in all of them.
SITES = f"""
SELECT key, site_class, neighbourhood, hardship <> '', coalesce(building_height_m, 'NaN'), {_day("gas_on")}, gas_supply,
    area, department, enterprise, manager, array_to_string(tags, {_BETWEEN})
FROM site_ever WHERE {_IN_AREA} ORDER BY key COLLATE "C\""""

#: Of each site the last day on which somebody with a role there was reached (E2).
CONTACTS = f"""
SELECT r.site, max(c.proven) - {_EPOCH}
FROM (SELECT tenant, person, site FROM site_role_ever WHERE {_AS_OF} AND since <= %(day)s
      AND (until IS NULL OR until > %(day)s)) r
JOIN (SELECT tenant, person, proven FROM contact_ever WHERE recorded <= %(known)s AND proven <= %(day)s) c
    USING (tenant, person)
GROUP BY r.site"""

#: From this hour on some hour is not summed up yet (storage/rollups.py, U1), so that the readings have to be asked too.
NOT_SUMMED_UP = "SELECT date_trunc('hour', min(bucket)) FROM rollup_due WHERE bucket < %s"

MODELS = "SELECT document::text FROM device_model ORDER BY key"

_GOOD = " OR ".join(f"((quality >> {quality_shift(name)}) & 15 = 0 AND {name} IS NOT NULL)" for name in GAS_QUANTITIES)
#: A reading says something when a gas was measured well, or where a valve stands; not when nobody was heard.
_SAYS = f"(({_GOOD} OR valve <> 0) AND flags & {int(Flag.STALE)} = 0)"
_HOUR_SAYS = f"({' OR '.join(f'{name}_n > 0' for name in GAS_QUANTITIES)} OR valve <> 0)"
_LATEST = "(SELECT device_no, ts FROM device_latest WHERE ts < %(until)s AND " + _SAYS + ")"
_RAW = f"""
(SELECT r.ts FROM reading r WHERE r.device_no = d.device_no AND r.ts >= %(raw_from)s AND r.ts < %(until)s AND {_SAYS}
 ORDER BY r.ts DESC LIMIT 1)"""
_HOUR = f"""
(SELECT h.bucket FROM reading_1h h WHERE h.device_no = d.device_no AND h.bucket >= %(oldest)s
 AND h.bucket <= %(until)s - INTERVAL '1 hour' AND {_HOUR_SAYS} ORDER BY h.bucket DESC LIMIT 1)"""
_CLOSED = """
greatest(
 (SELECT max(w.ended) FROM wanted w WHERE w.device_no = d.device_no AND w.outcome = 'confirmed' AND w.verb = 'close'
  AND w.ended < %(until)s),
 (SELECT c.at FROM valve_closed c WHERE c.device_no = d.device_no AND c.at < %(until)s ORDER BY c.day DESC LIMIT 1))"""

#: As coverage_rows.DeviceColumns takes them. Installations as they are known (E1), what any version proves (E2).
DEVICES = f"""
WITH i AS (
    SELECT identity, bool_or(covers) AS covers, (array_agg(key ORDER BY since DESC) FILTER (WHERE covers))[1] AS key,
        (array_agg(site ORDER BY since DESC) FILTER (WHERE covers))[1] AS site,
        max(since) FILTER (WHERE covers) AS since, max(since) FILTER (WHERE covers AND proof) AS proof
    FROM (SELECT identity, key, site, since, cardinality(evidence) > 0 AS proof, since <= %(day)s
              AND (until IS NULL OR until > %(day)s) AS covers FROM installation_ever WHERE {_AS_OF}) one
    GROUP BY identity),
w AS (
    SELECT key, max(seen) AS worked
    FROM installation_ever CROSS JOIN LATERAL (VALUES (inspected), (gas_on_check)) v(seen)
    WHERE recorded <= %(known)s AND seen <= %(day)s GROUP BY key)
SELECT d.identity, coalesce(i.site, d.site), d.model, array_to_string(d.tags, {_BETWEEN}),
    {_day("coalesce(i.since, d.installed)")}, {_day("coalesce(d.installed, i.since)")}, {_day("d.calibration_due")},
    {_day("d.life_end")}, {_day("w.worked")}, {_day("greatest(w.worked, i.proof)")},
    coalesce(davy_us(coalesce(l.ts, CASE WHEN %(raw_from)s::timestamptz IS NOT NULL THEN {_RAW} END, {_HOUR})), 0),
    {_day("CASE WHEN d.model = ANY(%(valves)s) THEN (" + _CLOSED + " AT TIME ZONE %(timezone)s)::date END")}
FROM (SELECT * FROM device_ever WHERE {_AS_OF} AND {_THERE} AND model = ANY(%(models)s)) d
LEFT JOIN i USING (identity) LEFT JOIN w ON w.key = i.key LEFT JOIN {_LATEST} l ON l.device_no = d.device_no
WHERE coalesce(i.covers, d.installed IS NULL OR d.installed <= %(day)s)
    AND coalesce(i.site, d.site) IN (SELECT key FROM site_ever WHERE {_IN_AREA})"""
