-- An alarm as it stands, and every step that led there. An event is named engine:cycle:n everywhere.
CREATE TABLE alarm (
    alarm           text        PRIMARY KEY,
    rule            text        NOT NULL,
    device_no       integer     NOT NULL,
    site            text        NOT NULL,
    priority        smallint    NOT NULL,
    state           smallint    NOT NULL,
    onset           timestamptz NOT NULL,
    raised          timestamptz NOT NULL,
    changed         timestamptz NOT NULL,
    quantity        text        NOT NULL DEFAULT '',
    value           double precision,
    late            boolean     NOT NULL DEFAULT false,
    because         text        NOT NULL DEFAULT '',
    acknowledged_by text        NOT NULL DEFAULT ''
);
CREATE INDEX ON alarm (raised DESC, alarm);
CREATE INDEX ON alarm (device_no, raised DESC);
CREATE INDEX ON alarm (site, raised DESC);

CREATE TABLE alarm_event (
    engine   text        NOT NULL,
    cycle    bigint      NOT NULL,
    n        integer     NOT NULL,
    alarm    text        NOT NULL,
    at       timestamptz NOT NULL,
    change   text        NOT NULL,
    state    smallint    NOT NULL,
    by       text        NOT NULL DEFAULT '',
    comment  text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON alarm_event (alarm);

-- A wanted position is always closed: there is no column that could say otherwise.
CREATE TABLE wanted (
    wanted     text        PRIMARY KEY,
    device_no  integer     NOT NULL,
    epoch      bigint      NOT NULL,
    reason     text        NOT NULL,
    alarm      text        NOT NULL DEFAULT '',
    by         text        NOT NULL DEFAULT '',
    since      timestamptz NOT NULL,
    confirm_by timestamptz,
    outcome    text,
    ended      timestamptz,
    ended_by   text        NOT NULL DEFAULT '',
    comment    text        NOT NULL DEFAULT ''
);
CREATE INDEX ON wanted (device_no, since DESC);
CREATE INDEX ON wanted (since DESC);

CREATE TABLE command (
    command   text        PRIMARY KEY,
    wanted    text        NOT NULL,
    device_no integer     NOT NULL,
    verb      text        NOT NULL DEFAULT 'close',
    epoch     bigint      NOT NULL,
    attempt   integer     NOT NULL,
    requested timestamptz NOT NULL,
    expires   timestamptz NOT NULL,
    reason    text        NOT NULL,
    -- The database's own fence (G6): whoever writes here, a command that opens a valve cannot be written.
    CONSTRAINT no_command_but_close CHECK (verb = 'close')
);
CREATE INDEX ON command (wanted);

CREATE TABLE command_step (
    engine  text        NOT NULL,
    cycle   bigint      NOT NULL,
    n       integer     NOT NULL,
    command text        NOT NULL,
    wanted  text        NOT NULL,
    at      timestamptz NOT NULL,
    step    text        NOT NULL,
    note    text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
CREATE INDEX ON command_step (wanted);

-- What became of people's instructions.
CREATE TABLE answer (
    engine   text        NOT NULL,
    cycle    bigint      NOT NULL,
    n        integer     NOT NULL,
    id       text        NOT NULL,
    at       timestamptz NOT NULL,
    accepted boolean     NOT NULL,
    reason   text        NOT NULL DEFAULT '',
    subject  text        NOT NULL DEFAULT '',
    PRIMARY KEY (engine, cycle, n)
);
