"""The questions about a model: its fleet, and what of it was seen in a time. %(from)s <= t < %(to)s, in whole hours."""
# ruff: noqa: S608 - the parts are constants of this file; values are parameters

from typing import LiteralString

_FLEET: LiteralString = """
WITH fleet AS (
    SELECT d.device_no, d.identity, d.identifier, d.identifier_kind FROM device d JOIN site s ON s.key = d.site
    WHERE d.model = %(model)s AND d.gone IS NULL AND s.simulated = %(simulated)s)
"""
HOURS: LiteralString = (
    _FLEET
    + """, heard AS (
    SELECT f.device_no, f.identity, sum(h.combustible_lel_n) > 0 AS lel, sum(h.co_ppm_n) > 0 AS co,
        bit_or(h.flags) & %(state)s <> 0 AS state, bool_or(h.valve = ANY(%(seen)s)) AS valve
    FROM fleet f JOIN reading_1h h USING (device_no)
    WHERE h.bucket >= %(from)s AND h.bucket < %(to)s GROUP BY f.device_no, f.identity)
SELECT (SELECT count(*) FROM fleet), count(*), count(*) FILTER (WHERE lel), count(*) FILTER (WHERE co),
    count(*) FILTER (WHERE state), count(*) FILTER (WHERE valve),
    (SELECT count(*) FROM fleet WHERE identifier <> ''),
    (SELECT count(*) FROM fleet WHERE identifier <> '' AND identifier_kind = 'active')
FROM heard"""
)
#: By whole days from the day after a device was first heard: of each day as many intervals as it has, and as many kept
#: as readings came.
INTERVALS: LiteralString = (
    _FLEET
    + """, first AS (
    SELECT f.device_no, date_trunc('day', min(h.bucket)) + INTERVAL '1 day' AS since
    FROM fleet f JOIN reading_1h h USING (device_no) WHERE h.bucket >= %(from)s AND h.bucket < %(to)s
    GROUP BY f.device_no),
days AS (
    SELECT f.device_no, day, least(coalesce((SELECT sum(h.n) FROM reading_1h h WHERE h.device_no = f.device_no
        AND h.bucket >= day AND h.bucket < day + INTERVAL '1 day'), 0), %(a_day)s::bigint) AS came
    FROM first f, generate_series(f.since, %(to)s::timestamptz - INTERVAL '1 day', INTERVAL '1 day') AS day)
SELECT coalesce(sum(came), 0)::bigint, count(*) * %(a_day)s::bigint FROM days"""
)
ALARMS: LiteralString = (
    _FLEET
    + """SELECT count(*) FILTER (WHERE h.flags & %(alarm)s <> 0), count(*) FROM fleet f
JOIN reading_1h h USING (device_no)
WHERE h.bucket >= %(from)s AND h.bucket < %(to)s AND h.combustible_lel_max >= %(by_lel)s"""
)
CLOSINGS: LiteralString = (
    _FLEET
    + """SELECT w.outcome = 'confirmed' AND w.ended <= w.confirm_by,
    coalesce((extract(epoch FROM w.ended - w.since) * 1000)::bigint, -1)
FROM fleet f JOIN alarm a USING (device_no) JOIN wanted w ON w.alarm = a.alarm
WHERE a.raised >= %(from)s AND a.raised < %(to)s AND w.verb = 'close' AND w.confirm_by IS NOT NULL
    AND w.confirm_by < %(to)s
    AND coalesce(w.outcome, '') NOT IN ('cancelled', 'unverifiable')"""
)
LINKED: LiteralString = (
    _FLEET
    + """SELECT count(*), count(*) FILTER (WHERE EXISTS (
    SELECT FROM link l JOIN device v ON v.identity = l.valve JOIN reading_1h h ON h.device_no = v.device_no
    WHERE l.detector = f.identity AND h.bucket >= %(from)s AND h.bucket < %(to)s AND h.valve = ANY(%(seen)s)))
FROM fleet f WHERE EXISTS (SELECT FROM link l WHERE l.detector = f.identity)"""
)
PAPERS: LiteralString = """
SELECT scheme, bool_or(expires IS NULL OR expires >= %(day)s), max(expires)::text FROM certificate
WHERE model = %(model)s GROUP BY scheme"""
