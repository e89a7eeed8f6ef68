-- Requests that were done once under a key of their sender's: sent again, they are answered again and not done again.
-- id: SHA-256 of who sent it, what to, and the key. answer: sealed under the sender's own token (api/once.py); NULL while it
-- is not known, or was lost. Whose it is, its id says; no tenant reads it, and one day later it is forgotten.
CREATE TABLE request_key (
    id     text        NOT NULL PRIMARY KEY,
    at     timestamptz NOT NULL,
    answer bytea
);
CREATE INDEX request_key_at ON request_key (at);
CALL davy_fence('request_key');

-- Take a key within the transaction that does what is asked: both are there, or neither. False: it is taken. Who takes the
-- same at the same time waits for the first to end.
CREATE FUNCTION davy_take_request(named text, now_ timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM request_key WHERE id IN (SELECT id FROM request_key WHERE at < now_ - interval '1 day' ORDER BY at LIMIT 20
        FOR UPDATE SKIP LOCKED);
    INSERT INTO request_key AS k (id, at) VALUES (named, now_) ON CONFLICT (id) DO UPDATE SET at = excluded.at, answer = NULL
        WHERE k.at < now_ - interval '1 day';
    RETURN FOUND;
END $$;

DO $do$
BEGIN
    REVOKE EXECUTE ON FUNCTION davy_take_request(text, timestamptz) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION davy_take_request(text, timestamptz) TO %I, %I',
        davy_role('platform'), davy_role('writer'));
END $do$;
