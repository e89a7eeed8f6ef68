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
