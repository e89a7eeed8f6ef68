-- Who may sign in: accounts of people, in what capacity they act, their sessions, and the keys of programs. Secrets are
-- kept as hashes only. A login is a name of the account and no personal data: people's names and numbers stand in
-- `person`, sealed.
--
-- `changed` is the transaction that wrote the row last: who follows asks for what was written at or after the oldest
-- transaction that had not ended at its last look, and so misses nothing, whatever order they commit in.
CREATE TABLE account (
    account       text        PRIMARY KEY CHECK (account ~ '^[a-z0-9]{1,40}$'),
    login         text        NOT NULL UNIQUE CHECK (login ~ '^[a-z][a-z0-9._-]{1,63}$'),
    -- Argon2id, as a PHC string; empty: no password, signs in elsewhere or has not begun.
    password      text        NOT NULL DEFAULT '',
    -- Who it is at an external OpenID Connect provider; empty: nobody there.
    issuer        text        NOT NULL DEFAULT '',
    subject       text        NOT NULL DEFAULT '',
    person        text        NOT NULL DEFAULT '',
    disabled      boolean     NOT NULL DEFAULT false,
    created       timestamptz NOT NULL,
    changed       xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE UNIQUE INDEX account_elsewhere ON account (issuer, subject) WHERE issuer <> '';
CREATE INDEX account_changed ON account (changed);

-- enterprise: empty for the platform's own people. sites: a resident's, or the only ones of who is bound to some.
CREATE TABLE membership (
    account    text   NOT NULL REFERENCES account,
    role       text   NOT NULL CHECK (role IN ('resident', 'operator', 'company_administrator', 'field_crew', 'vendor',
        'installer', 'property_manager', 'regulator', 'platform_administrator')),
    enterprise text   NOT NULL DEFAULT '',
    sites      text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (account, role, enterprise),
    -- Nobody is of the platform by leaving a word out, and nobody at home nowhere.
    CHECK ((role = 'platform_administrator') = (enterprise = '')),
    CHECK (role <> 'resident' OR sites <> '{}')
);
CREATE INDEX membership_enterprise ON membership (enterprise, account);

CREATE TABLE session (
    session       text        PRIMARY KEY,
    account       text        NOT NULL REFERENCES account,
    secret_sha256 text        NOT NULL UNIQUE CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    how           text        NOT NULL CHECK (how IN ('password', 'external')),
    began         timestamptz NOT NULL,
    expires       timestamptz NOT NULL,
    ended         timestamptz,
    changed       xid8        NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX session_account ON session (account, began DESC);
CREATE INDEX session_changed ON session (changed);
CREATE INDEX session_live ON session (expires) WHERE ended IS NULL;

-- A secret that sets a password once: an administrator's link.
CREATE TABLE password_link (
    secret_sha256 text        PRIMARY KEY CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    account       text        NOT NULL REFERENCES account,
    made          timestamptz NOT NULL,
    expires       timestamptz NOT NULL,
    used          timestamptz
);
CREATE INDEX password_link_account ON password_link (account);

-- `key` is shown with every use and begins the secret; scopes are words of access.actions.Action.
CREATE TABLE api_key (
    key           text        PRIMARY KEY CHECK (key ~ '^[a-z0-9]{12}$'),
    secret_sha256 text        NOT NULL UNIQUE CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    name          text        NOT NULL DEFAULT '',
    role          text        NOT NULL,
    enterprise    text        NOT NULL DEFAULT '',
    sites         text[]      NOT NULL DEFAULT '{}',
    scopes        text[]      NOT NULL CHECK (scopes <> '{}'),
    made          timestamptz NOT NULL,
    made_by       text        NOT NULL,
    expires       timestamptz NOT NULL,
    revoked       timestamptz,
    last_used     timestamptz,
    changed       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    CHECK ((role = 'platform_administrator') = (enterprise = ''))
);
CREATE INDEX api_key_enterprise ON api_key (enterprise, made DESC, key);
CREATE INDEX api_key_changed ON api_key (changed);

CREATE FUNCTION davy_access_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed := pg_current_xact_id();
    RETURN NEW;
END $$;
CREATE TRIGGER account_written BEFORE INSERT OR UPDATE ON account
    FOR EACH ROW EXECUTE FUNCTION davy_access_written();
CREATE TRIGGER session_written BEFORE INSERT OR UPDATE ON session
    FOR EACH ROW EXECUTE FUNCTION davy_access_written();
-- That a key was used is no change of it, and is written often.
CREATE TRIGGER api_key_made BEFORE INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION davy_access_written();
CREATE TRIGGER api_key_written BEFORE UPDATE ON api_key FOR EACH ROW
    WHEN (OLD.last_used IS NOT DISTINCT FROM NEW.last_used) EXECUTE FUNCTION davy_access_written();

CREATE FUNCTION davy_membership_written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE account SET changed = pg_current_xact_id()
        WHERE account IN (coalesce(NEW.account, OLD.account), coalesce(OLD.account, NEW.account));
    RETURN NULL;
END $$;
CREATE TRIGGER membership_written AFTER INSERT OR UPDATE OR DELETE ON membership
    FOR EACH ROW EXECUTE FUNCTION davy_membership_written();

-- A membership's area and vendor are its enterprise's.
CREATE FUNCTION davy_enterprise_written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE account SET changed = pg_current_xact_id()
        WHERE account IN (SELECT m.account FROM membership m WHERE m.enterprise = OLD.key);
    UPDATE api_key SET changed = pg_current_xact_id() WHERE enterprise = OLD.key;
    RETURN NULL;
END $$;
CREATE TRIGGER enterprise_written AFTER UPDATE OR DELETE ON enterprise
    FOR EACH ROW EXECUTE FUNCTION davy_enterprise_written();

CREATE FUNCTION davy_access_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY davy_access;
    RETURN NULL;
END $$;
CREATE TRIGGER account_told AFTER INSERT OR UPDATE OR DELETE ON account
    FOR EACH STATEMENT EXECUTE FUNCTION davy_access_told();
CREATE TRIGGER session_told AFTER INSERT OR UPDATE OR DELETE ON session
    FOR EACH STATEMENT EXECUTE FUNCTION davy_access_told();
CREATE TRIGGER api_key_told AFTER INSERT OR DELETE OR UPDATE OF revoked, expires, scopes, changed ON api_key
    FOR EACH STATEMENT EXECUTE FUNCTION davy_access_told();
