-- How far a follower has come in one engine store, and what it made of it; moved in the transaction of the rows.
-- readings = stored + duplicate + poison, exactly.
CREATE TABLE follower_cursor (
    engine          text   NOT NULL,
    follower        text   NOT NULL,
    cycle           bigint NOT NULL,
    readings        bigint NOT NULL DEFAULT 0,
    stored          bigint NOT NULL DEFAULT 0,
    duplicate       bigint NOT NULL DEFAULT 0,
    poison          bigint NOT NULL DEFAULT 0,
    quarantined     bigint NOT NULL DEFAULT 0,
    -- Cycles that the engine had trimmed before they came here; never anything but 0 unless a backup was restored.
    cycles_missed   bigint NOT NULL DEFAULT 0,
    -- device_latest does not yet show rows of this effective time and later; NULL: it shows everything.
    latest_from     timestamptz,
    registry_number bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (engine, follower)
) WITH (fillfactor = 20);

-- The engine's own counters per intake link, as far as the follower has come.
CREATE TABLE source_count (
    engine      text   NOT NULL,
    source      text   NOT NULL,
    received    bigint NOT NULL,
    stored      bigint NOT NULL,
    duplicate   bigint NOT NULL,
    quarantined bigint NOT NULL,
    PRIMARY KEY (engine, source)
) WITH (fillfactor = 20);

-- Input that could not be a reading (origin engine), and readings that the database refused (origin database; raw is
-- then the row as devices.readings.READING lays it out).
CREATE TABLE quarantine (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin    text        NOT NULL CHECK (origin IN ('engine', 'database')),
    engine    text        NOT NULL,
    cycle     bigint      NOT NULL,
    n         integer     NOT NULL,
    received  timestamptz NOT NULL,
    source    text        NOT NULL,
    device_no integer     NOT NULL,
    reason    text        NOT NULL,
    raw       bytea       NOT NULL,
    UNIQUE (engine, cycle, origin, n)
);
CREATE INDEX ON quarantine (received);

-- Quarantine rows that retention has dropped, for the ledger.
CREATE TABLE quarantine_dropped (
    origin  text   PRIMARY KEY,
    dropped bigint NOT NULL
);
