-- Times for readers in other languages: microseconds since 1970 UTC; NULL for a time beyond what timestamptz can hold.
CREATE FUNCTION davy_us(timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN isfinite($1) THEN (extract(epoch FROM $1) * 1000000)::bigint END;

CREATE TABLE device_model (
    key      text  PRIMARY KEY,
    kind     text  NOT NULL,
    vendor   text  NOT NULL,
    name     text  NOT NULL,
    document jsonb NOT NULL
);

CREATE TABLE site (
    key        text    PRIMARY KEY,
    name       text    NOT NULL DEFAULT '',
    address    text    NOT NULL DEFAULT '',
    enterprise text    NOT NULL DEFAULT '',
    timezone   text    NOT NULL DEFAULT 'UTC',
    simulated  boolean NOT NULL DEFAULT false
);

-- A device number is given once and never again: sequences do not go back, whatever is rolled back or deleted.
CREATE SEQUENCE device_no AS integer MINVALUE 1 NO CYCLE;

CREATE TABLE device (
    device_no integer PRIMARY KEY DEFAULT nextval('device_no'),
    vendor    text    NOT NULL CHECK (vendor ~ '^[A-Za-z0-9_-]{1,64}$'),
    serial    text    NOT NULL CHECK (serial ~ '^[A-Za-z0-9_-]{1,64}$'),
    identity  text    NOT NULL GENERATED ALWAYS AS (vendor || '/' || serial) STORED UNIQUE,
    model     text    NOT NULL REFERENCES device_model,
    site      text    NOT NULL REFERENCES site,
    gateway   text    NOT NULL DEFAULT ''
);
CREATE INDEX ON device (site);

CREATE FUNCTION davy_keep_device_no() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'device number % belongs to % for ever', OLD.device_no, OLD.identity USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER device_no_never_changes BEFORE UPDATE ON device
    FOR EACH ROW WHEN (OLD.device_no <> NEW.device_no) EXECUTE FUNCTION davy_keep_device_no();

CREATE TABLE link (
    detector text NOT NULL REFERENCES device (identity),
    valve    text NOT NULL REFERENCES device (identity),
    PRIMARY KEY (detector, valve)
);

-- Only the hash of a token is ever stored.
CREATE TABLE credential (
    identity     text PRIMARY KEY REFERENCES device (identity),
    token_sha256 text NOT NULL CHECK (token_sha256 ~ '^[0-9a-f]{64}$')
);

-- Whole registry documents on their way to the engine, numbered under a lock.
CREATE TABLE registry_outbox (
    number  bigint      PRIMARY KEY,
    sha256  text        NOT NULL,
    body    bytea       NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    refused text        NOT NULL DEFAULT ''
);
