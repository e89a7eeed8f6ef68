-- Where a site stands, and what else rules may tell sites and devices apart by. Days are NULL where they are not known.
ALTER TABLE site ADD COLUMN area text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN building text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN riser text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN site_class text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE device ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE device ADD COLUMN installed date;
ALTER TABLE device ADD COLUMN calibration_due date;

-- Cause and effect: when `votes` of these detectors have such an alarm, these valves close and these fans run. Names are
-- identities. A link is a row of one detector and one valve, and stays where it was.
CREATE TABLE matrix_row (
    id        text    PRIMARY KEY,
    detectors text[]  NOT NULL,
    votes     integer NOT NULL CHECK (votes >= 1),
    rules     text[]  NOT NULL,
    valves    text[]  NOT NULL,
    fans      text[]  NOT NULL
);

-- `trial`: nobody was told and nothing moved. `resolution`: what a person said it was. `until`: while it is shelved or
-- out of service with a limit.
ALTER TABLE alarm ADD COLUMN trial boolean NOT NULL DEFAULT false;
ALTER TABLE alarm ADD COLUMN incident text NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN resolution text NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN until timestamptz;
CREATE INDEX alarm_incident ON alarm (incident) WHERE incident <> '';
CREATE INDEX alarm_resolution ON alarm (raised) WHERE resolution <> '';
-- What was open at some time: what is open now, and what ended since.
CREATE INDEX alarm_open ON alarm (raised) WHERE state <> 0;
CREATE INDEX alarm_changed ON alarm (changed);

-- `priority` NULL: of an event that was stored before it was kept.
ALTER TABLE alarm_event ADD COLUMN priority smallint;
ALTER TABLE alarm_event ADD COLUMN trial boolean NOT NULL DEFAULT false;
ALTER TABLE alarm_event ADD COLUMN until timestamptz;
ALTER TABLE alarm_event ADD COLUMN resolution text NOT NULL DEFAULT '';
CREATE INDEX alarm_event_at ON alarm_event (at);

-- What is wanted of an actuator. There is no word for open.
ALTER TABLE wanted ADD COLUMN verb text NOT NULL DEFAULT 'close';
ALTER TABLE wanted ADD CONSTRAINT wanted_closed_or_fan_on CHECK (verb IN ('close', 'fan_on'));
-- The database's own fence (G6), as before: a command that opens a valve cannot be written by anybody. A permit lets a
-- person on site open it, and takes two (table permit).
ALTER TABLE command DROP CONSTRAINT no_command_but_close;
ALTER TABLE command ADD CONSTRAINT no_command_opens CHECK (verb IN ('close', 'fan_on', 'permit_open'));

-- What belongs together for the people who deal with it. `merged_into`: the larger incident it became part of. `over`:
-- since when none of its alarms is active; NULL while one is.
CREATE TABLE incident (
    incident    text        PRIMARY KEY,
    scope       text        NOT NULL,
    key         text        NOT NULL,
    priority    smallint    NOT NULL,
    opened      timestamptz NOT NULL,
    changed     timestamptz NOT NULL,
    over        timestamptz,
    closed      timestamptz,
    closed_by   text        NOT NULL DEFAULT '',
    resolution  text        NOT NULL DEFAULT '',
    merged_into text        NOT NULL DEFAULT ''
);
CREATE INDEX ON incident (opened DESC, incident);
CREATE INDEX ON incident (key, opened DESC);

CREATE TABLE incident_event (
    engine      text        NOT NULL,
    cycle       bigint      NOT NULL,
    n           integer     NOT NULL,
    incident    text        NOT NULL,
    at          timestamptz NOT NULL,
    change      text        NOT NULL,
    priority    smallint    NOT NULL,
    alarm       text        NOT NULL DEFAULT '',
    by          text        NOT NULL DEFAULT '',
    comment     text        NOT NULL DEFAULT '',
    quantity    text        NOT NULL DEFAULT '',
    value       double precision,
    step        text        NOT NULL DEFAULT '',
    resolution  text        NOT NULL DEFAULT '',
    merged_into text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON incident_event (incident);

-- A permit to open a valve on site. The second person is not the first: a fence like that of `command`.
CREATE TABLE permit (
    permit          text        PRIMARY KEY,
    device_no       integer     NOT NULL,
    state           text        NOT NULL,
    requested       timestamptz NOT NULL,
    requested_by    text        NOT NULL DEFAULT '',
    reason          text        NOT NULL DEFAULT '',
    epoch           bigint      NOT NULL DEFAULT 0,
    expires         timestamptz,
    approved_by     text        NOT NULL DEFAULT '',
    granted         timestamptz,
    ended           timestamptz,
    ended_by        text        NOT NULL DEFAULT '',
    comment         text        NOT NULL DEFAULT '',
    combustible_lel double precision,
    CONSTRAINT two_people CHECK (approved_by = '' OR approved_by <> requested_by)
);
CREATE INDEX ON permit (requested DESC, permit);
CREATE INDEX ON permit (device_no, requested DESC);

CREATE TABLE permit_event (
    engine          text        NOT NULL,
    cycle           bigint      NOT NULL,
    n               integer     NOT NULL,
    permit          text        NOT NULL,
    device_no       integer     NOT NULL,
    at              timestamptz NOT NULL,
    state           text        NOT NULL,
    epoch           bigint      NOT NULL,
    expires         timestamptz,
    by              text        NOT NULL DEFAULT '',
    comment         text        NOT NULL DEFAULT '',
    combustible_lel double precision,
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON permit_event (permit);

-- Shut-offs that a budget, or a restored store, held back: each one's being held, and its end. device_no: the valve.
CREATE TABLE shut_off_held (
    engine    text        NOT NULL,
    cycle     bigint      NOT NULL,
    n         integer     NOT NULL,
    at        timestamptz NOT NULL,
    rule      text        NOT NULL,
    device_no integer     NOT NULL,
    alarm     text        NOT NULL,
    change    text        NOT NULL,
    value     double precision,
    reason    text        NOT NULL DEFAULT '',
    by        text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON shut_off_held (at DESC);
CREATE INDEX ON shut_off_held (alarm);

-- A rule became another, or was taken back to a dry run by itself.
CREATE TABLE rule_note (
    engine   text        NOT NULL,
    cycle    bigint      NOT NULL,
    n        integer     NOT NULL,
    at       timestamptz NOT NULL,
    rule     text        NOT NULL,
    what     text        NOT NULL,
    reverted boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON rule_note (at DESC);

-- Rules in force over time. A body is kept once, whenever and however often it was in force. since -infinity: it was in
-- force before this was kept. n is the place among the cycle's events; -1 for such a one.
CREATE TABLE rule_pack (
    sha256 text  PRIMARY KEY,
    body   bytea NOT NULL
);
CREATE TABLE rule_pack_since (
    engine text        NOT NULL,
    cycle  bigint      NOT NULL,
    n      integer     NOT NULL,
    since  timestamptz NOT NULL,
    sha256 text        NOT NULL,
    by     text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON rule_pack_since (since DESC);
