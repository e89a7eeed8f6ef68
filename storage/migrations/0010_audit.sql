-- The record that nobody can alter unseen (access/audit_chain.py). `body` is text, because it is hashed as it stands.
CREATE TABLE audit_entry (
    tenant text   NOT NULL,
    n      bigint NOT NULL CHECK (n >= 1),
    at     bigint NOT NULL,
    kind   text   NOT NULL,
    by     text   NOT NULL,
    body   text   NOT NULL,
    prev   text   NOT NULL CHECK (length(prev) = 64),
    sha256 text   NOT NULL CHECK (length(sha256) = 64),
    PRIMARY KEY (tenant, n)
);
CREATE INDEX audit_entry_at ON audit_entry (tenant, at, n);

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

-- The only way in for all but the owner (whose follower writes many thousand at a time): the hash is made here, under the
-- lock of the chain's end, so that whoever may add to the record can neither choose a number nor a hash. The text that is
-- hashed is that of access.audit_chain.Entry.canonical, which a test holds it to. Rows come sorted by tenant, so that two
-- callers never wait for each other in a ring.
CREATE FUNCTION davy_record(tenants text[], ats bigint[], kinds text[], bys text[], bodies text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    held text;
    last_n bigint;
    last_sha text;
    prior text;
    one record;
BEGIN
    -- unnest: an element of an array of texts is found by walking to it.
    FOR one IN SELECT * FROM unnest(tenants, ats, kinds, bys, bodies) AS given (tenant, at, kind, who, body) LOOP
        IF held IS DISTINCT FROM one.tenant THEN
            IF held IS NOT NULL THEN
                UPDATE audit_end e SET n = last_n, sha256 = last_sha WHERE e.tenant = held;
            END IF;
            held := one.tenant;
            INSERT INTO audit_end VALUES (held, 0, repeat('0', 64)) ON CONFLICT (tenant) DO NOTHING;
            SELECT e.n, e.sha256 INTO last_n, last_sha FROM audit_end e WHERE e.tenant = held FOR UPDATE;
        END IF;
        prior := last_sha;
        last_n := last_n + 1;
        last_sha := encode(sha256(convert_to(
            '{"at":' || one.at::text || ',"body":' || to_json(one.body)::text || ',"by":' || to_json(one.who)::text
            || ',"kind":' || to_json(one.kind)::text || ',"n":' || last_n::text || ',"prev":"' || prior
            || '","tenant":' || to_json(held)::text || '}', 'UTF8')), 'hex');
        INSERT INTO audit_entry VALUES (held, last_n, one.at, one.kind, one.who, one.body, prior, last_sha);
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
