-- The record that nobody can alter unseen (access/audit_chain.py). `body` is text, because it is hashed as it stands.
CREATE TABLE audit_entry (
    tenant text   NOT NULL,
    n      bigint NOT NULL CHECK (n >= 1),
    at     bigint NOT NULL,
    kind   text   NOT NULL,
    by     text   NOT NULL,
    body   text   NOT NULL,
    prev   text   NOT NULL CHECK (prev ~ '^[0-9a-f]{64}$'),
    sha256 text   NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (tenant, n)
);
CREATE INDEX audit_entry_at ON audit_entry (tenant, at, n);
CREATE INDEX audit_entry_kind ON audit_entry (tenant, kind, n);

-- The end of each chain; its row is the lock under which the chain grows.
CREATE TABLE audit_end (
    tenant text   PRIMARY KEY,
    n      bigint NOT NULL,
    sha256 text   NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION davy_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the record is only ever added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION davy_keep_audit();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION davy_keep_audit();

-- The only way in: the hash is made here, under the lock of the chain's end, so that whoever may add to the record can
-- neither choose a number nor a hash. The text that is hashed is that of access.audit_chain.Entry.canonical, which a test
-- holds it to. Rows come sorted by tenant, so that two callers never wait for each other in a ring.
CREATE FUNCTION davy_record(tenants text[], ats bigint[], kinds text[], bys text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held text;
    last_n bigint;
    last_sha text;
    prior text;
BEGIN
    FOR i IN 1 .. coalesce(array_length(tenants, 1), 0) LOOP
        IF held IS DISTINCT FROM tenants[i] THEN
            IF held IS NOT NULL THEN
                UPDATE audit_end e SET n = last_n, sha256 = last_sha WHERE e.tenant = held;
            END IF;
            held := tenants[i];
            INSERT INTO audit_end VALUES (held, 0, repeat('0', 64)) ON CONFLICT (tenant) DO NOTHING;
            SELECT e.n, e.sha256 INTO last_n, last_sha FROM audit_end e WHERE e.tenant = held FOR UPDATE;
        END IF;
        prior := last_sha;
        last_n := last_n + 1;
        last_sha := encode(sha256(convert_to(
            '{"at":' || ats[i] || ',"body":' || to_json(bodies[i]) || ',"by":' || to_json(bys[i])
            || ',"kind":' || to_json(kinds[i]) || ',"n":' || last_n || ',"prev":"' || prior
            || '","tenant":' || to_json(held) || '}', 'UTF8')), 'hex');
        INSERT INTO audit_entry VALUES (held, last_n, ats[i], kinds[i], bys[i], bodies[i], prior, last_sha);
    END LOOP;
    IF held IS NOT NULL THEN
        UPDATE audit_end e SET n = last_n, sha256 = last_sha WHERE e.tenant = held;
    END IF;
END $$;

-- Documents of signed heads (access/audit_heads.py), as they were published.
CREATE TABLE audit_heads (
    number    bigint PRIMARY KEY,
    at        bigint NOT NULL,
    document  text   NOT NULL,
    key       text   NOT NULL,
    signature text   NOT NULL
);

-- How far the last document speaks of each chain.
CREATE TABLE audit_vouched (
    tenant text   PRIMARY KEY,
    n      bigint NOT NULL
);
