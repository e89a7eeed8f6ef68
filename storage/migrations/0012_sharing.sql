-- Sharing between parties: what a grantor lets a receiver see, scoped by resource and field, area and time. It is read in
-- the grantor's name, so that nothing is shared that the grantor does not see itself.
CREATE TABLE sharing_grant (
    grant_key   text        PRIMARY KEY CHECK (length(grant_key) = 20),
    grantor     text        NOT NULL REFERENCES enterprise,
    receiver    text        NOT NULL REFERENCES enterprise,
    -- Fields by resource: {"alarms": ["alarm", "rule", ...], "devices": [...]}; a resource that is not named is not shared.
    fields      jsonb       NOT NULL CHECK (jsonb_typeof(fields) = 'object'),
    -- A prefix of GB/T 2260 codes; empty: everywhere.
    area        text        NOT NULL DEFAULT '',
    begins      timestamptz NOT NULL,
    ends        timestamptz,
    purpose     text        NOT NULL CHECK (purpose <> ''),
    made        timestamptz NOT NULL,
    made_by     text        NOT NULL,
    accepted    timestamptz,
    accepted_by text        NOT NULL DEFAULT '',
    ended       timestamptz,
    ended_by    text        NOT NULL DEFAULT '',
    CONSTRAINT not_with_oneself CHECK (grantor <> receiver),
    CONSTRAINT it_ends_after_it_begins CHECK (ends > begins)
);
CREATE INDEX ON sharing_grant (grantor, made DESC);
CREATE INDEX ON sharing_grant (receiver, made DESC);

-- Where a receiver wants what is shared with it to be pushed. Secrets are sealed under its key (storage/sealed.py); of two the
-- newer signs first, and both do while one takes the other's place. `place`: how far deliveries were made of the feed, by
-- engine: {"engine": [cycle, n]}.
CREATE TABLE webhook (
    webhook      text        PRIMARY KEY CHECK (length(webhook) = 20),
    enterprise   text        NOT NULL REFERENCES enterprise,
    grant_key    text        NOT NULL REFERENCES sharing_grant,
    url          text        NOT NULL,
    secret       bytea       NOT NULL,
    former       bytea,
    former_until timestamptz,
    place        jsonb       NOT NULL,
    made         timestamptz NOT NULL,
    made_by      text        NOT NULL,
    -- Since when nothing has arrived; after a long time it is put off.
    failing      timestamptz,
    off          timestamptz,
    off_because  text        NOT NULL DEFAULT ''
);
CREATE INDEX ON webhook (enterprise, made DESC);
CREATE INDEX ON webhook (grant_key);

-- One message to one webhook. `id` stays the same however often it is sent. body: as it is signed.
CREATE TABLE webhook_delivery (
    delivery bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook  text        NOT NULL REFERENCES webhook ON DELETE CASCADE,
    id       text        NOT NULL,
    body     text        NOT NULL,
    made     timestamptz NOT NULL,
    due      timestamptz,
    attempts integer     NOT NULL DEFAULT 0,
    done     timestamptz,
    gave_up  timestamptz,
    status   integer,
    said     text        NOT NULL DEFAULT '',
    UNIQUE (webhook, id)
);
CREATE INDEX ON webhook_delivery (webhook, due) WHERE due IS NOT NULL;
CREATE INDEX ON webhook_delivery (made) WHERE due IS NULL;
CREATE INDEX ON webhook_delivery (webhook, delivery DESC);
