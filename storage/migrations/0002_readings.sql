-- The canonical reading. Absent is NULL, and its quality says why. The key is the last fence against duplicates.
-- Device first in the key: docs/decisions/0007-reading-key-order.md.
CREATE TABLE reading (
    ts              timestamptz NOT NULL,
    device_ts       timestamptz,
    received        timestamptz NOT NULL,
    seq             bigint      NOT NULL,
    flags           bigint      NOT NULL,
    quality         bigint      NOT NULL,
    device_no       integer     NOT NULL CHECK (device_no > 0),
    boot            integer     NOT NULL,
    combustible_lel real,
    co_ppm          real,
    pressure_kpa    real,
    flow_m3h        real,
    temperature_c   real,
    humidity_pct    real,
    battery_pct     real,
    rssi_dbm        real,
    valve           smallint    NOT NULL,
    valve_cause     smallint    NOT NULL
)
-- mode: plain
PARTITION BY RANGE (ts)
-- mode: all
;
CREATE UNIQUE INDEX reading_key ON reading (device_no, ts, boot, seq);
CREATE INDEX reading_ts ON reading USING brin (ts) WITH (pages_per_range = 32, autosummarize = on);

-- What a device sent beyond the canonical columns: stored, not evaluated.
CREATE TABLE reading_extra (
    ts        timestamptz NOT NULL,
    seq       bigint      NOT NULL,
    device_no integer     NOT NULL,
    boot      integer     NOT NULL,
    extra     jsonb       NOT NULL
)
-- mode: plain
PARTITION BY RANGE (ts)
-- mode: all
;
CREATE UNIQUE INDEX reading_extra_key ON reading_extra (device_no, ts, boot, seq);

CREATE TABLE reading_1m (
    bucket              timestamptz NOT NULL,
    device_no           integer     NOT NULL,
    n                   integer     NOT NULL,
    bad                 integer     NOT NULL,
    flags               bigint      NOT NULL,
    combustible_lel_sum double precision,
    co_ppm_sum          double precision,
    combustible_lel_n   integer     NOT NULL,
    combustible_lel_min real,
    combustible_lel_max real,
    co_ppm_n            integer     NOT NULL,
    co_ppm_min          real,
    co_ppm_max          real,
    pressure_kpa_n      integer     NOT NULL,
    pressure_kpa_mean   real,
    flow_m3h_n          integer     NOT NULL,
    flow_m3h_mean       real,
    temperature_c_n     integer     NOT NULL,
    temperature_c_mean  real,
    humidity_pct_n      integer     NOT NULL,
    humidity_pct_mean   real,
    battery_pct_n       integer     NOT NULL,
    battery_pct_mean    real,
    rssi_dbm_n          integer     NOT NULL,
    rssi_dbm_mean       real,
    valve               smallint    NOT NULL,
    valve_cause         smallint    NOT NULL
)
-- mode: plain
PARTITION BY RANGE (bucket)
-- mode: all
;
CREATE UNIQUE INDEX reading_1m_key ON reading_1m (device_no, bucket);
CREATE INDEX reading_1m_bucket ON reading_1m USING brin (bucket) WITH (pages_per_range = 32, autosummarize = on);

CREATE TABLE reading_1h (LIKE reading_1m);
CREATE UNIQUE INDEX reading_1h_key ON reading_1h (device_no, bucket);

-- mode: timescale-apache, timescale-tsl
SELECT create_hypertable('reading', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('reading_extra', by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('reading_1m', by_range('bucket', INTERVAL '7 days'), create_default_indexes => false);
SELECT create_hypertable('reading_1h', by_range('bucket', INTERVAL '365 days'), create_default_indexes => false);

-- mode: timescale-tsl
-- Three days: a device that was away over a week-end still backfills into the row store.
ALTER TABLE reading SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_no', timescaledb.orderby = 'ts, boot, seq');
CALL add_columnstore_policy('reading', after => INTERVAL '3 days');
ALTER TABLE reading_1m SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_no', timescaledb.orderby = 'bucket');
CALL add_columnstore_policy('reading_1m', after => INTERVAL '14 days');

-- mode: plain
-- LIKE and ATTACH instead of PARTITION OF: the parent is then locked only against other changes of its shape, so
-- readers and the follower go on.
CREATE FUNCTION davy_add_partition(parent text, lower_bound timestamptz, upper_bound timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    part text := parent || '_' || to_char(lower_bound AT TIME ZONE 'UTC', 'YYYYMMDD');
    axis text := CASE WHEN parent = 'reading_1m' THEN 'bucket' ELSE 'ts' END;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('davy partition'));
    IF to_regclass(part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, '
                   'CONSTRAINT bounds CHECK (%I >= %L AND %I < %L))', part, parent, axis, lower_bound, axis, upper_bound);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, lower_bound, upper_bound);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT bounds', part);
    RETURN true;
END $$;

-- mode: all
-- What has changed and is to be summed up again. Marks are only ever added, in the transaction of the rows, and taken
-- away before the rows are read: so a mark cannot be lost between the two. device_no 0: the whole bucket.
CREATE TABLE rollup_due (
    mark      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level     text        NOT NULL CHECK (level IN ('1m', '1h')),
    bucket    timestamptz NOT NULL,
    device_no integer     NOT NULL DEFAULT 0
);
CREATE INDEX ON rollup_due (level, bucket, device_no);

-- The newest reading of each device. Narrow updates in place: half of each page is left free for them.
CREATE TABLE device_latest (LIKE reading, PRIMARY KEY (device_no)) WITH (fillfactor = 50);

-- Rows stored per day of effective time, and how many of them retention has dropped: what `davy ledger` counts against.
CREATE TABLE reading_day (
    day     date   PRIMARY KEY,
    stored  bigint NOT NULL,
    dropped bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
