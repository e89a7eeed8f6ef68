-- The register: parties, areas, sites, people, devices, installations. Two times are kept of everything. `since`,
-- `until` and the like are the world's: when it was so. `recorded` is ours: since when we have it so. What was recorded
-- before is in <table>_past, so that both "who had what on that day" and "what did we know on that day" can be asked.

-- Who writes, and when it is, as the caller says (set_config('davy.by', ..., true), 'davy.at' in microseconds since
-- 1970); else the connection's own time, and nobody.
CREATE FUNCTION davy_by() RETURNS text LANGUAGE sql STABLE
    RETURN coalesce(current_setting('davy.by', true), '');
CREATE FUNCTION davy_at() RETURNS timestamptz LANGUAGE sql STABLE
    RETURN coalesce(timestamptz 'epoch' + nullif(current_setting('davy.at', true), '')::bigint * interval '1 microsecond',
                    now());

-- The parties of the platform: its tenants. `vendor`: the first word of its devices' identities.
CREATE TABLE enterprise (
    key     text PRIMARY KEY,
    kind    text NOT NULL CHECK (kind IN ('gas_company', 'vendor', 'installer', 'property_manager', 'regulator')),
    name    text NOT NULL DEFAULT '',
    name_en text NOT NULL DEFAULT '',
    uscc    text NOT NULL DEFAULT '',
    vendor  text NOT NULL DEFAULT '',
    area    text NOT NULL DEFAULT '',
    contact text NOT NULL DEFAULT '',
    gone    timestamptz
);
CREATE UNIQUE INDEX enterprise_vendor ON enterprise (vendor) WHERE vendor <> '' AND gone IS NULL;
-- Who was named by a site before there was a table of them.
INSERT INTO enterprise (key, kind) SELECT DISTINCT enterprise, 'gas_company' FROM site WHERE enterprise <> '';

-- GB/T 2260: what a code meant, and when. The first day of all stands for "from ever", NULL for "for ever".
CREATE TABLE area (
    code    text NOT NULL,
    since   date NOT NULL DEFAULT '0001-01-01',
    until   date CHECK (until > since),
    name    text NOT NULL DEFAULT '',
    name_en text NOT NULL DEFAULT '',
    parent  text NOT NULL DEFAULT '' CHECK (parent <> code),
    PRIMARY KEY (code, since)
);
CREATE INDEX area_parent ON area (parent, code);

-- Whose a site is: enterprise (the gas company), manager (the property manager), area (a prefix is the wider area).
-- What follows is devices/register.py's SiteFacts. `gone`: since when it is registered no longer; its number and its
-- past stay.
ALTER TABLE site ADD COLUMN manager text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN department text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN neighbourhood text NOT NULL DEFAULT ''
    CHECK (neighbourhood IN ('', 'new', 'existing', 'old'));
ALTER TABLE site ADD COLUMN hardship text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN funding text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN building_height_m real CHECK (building_height_m > 0);
ALTER TABLE site ADD COLUMN gas_supply text NOT NULL DEFAULT '';
ALTER TABLE site ADD COLUMN gas_on date;
ALTER TABLE site ADD COLUMN gone timestamptz;
CREATE INDEX site_enterprise ON site (enterprise, key);
CREATE INDEX site_manager ON site (manager, key) WHERE manager <> '';
CREATE INDEX site_area ON site (area text_pattern_ops, key);
CREATE INDEX site_class_of ON site (enterprise, site_class, key);
CREATE INDEX site_neighbourhood ON site (enterprise, neighbourhood, key);
CREATE INDEX site_enterprise_area ON site (enterprise, area text_pattern_ops);
CREATE INDEX site_building ON site (building, key) WHERE building <> '';
CREATE INDEX site_hardship ON site (hardship, key) WHERE hardship <> '';

-- Whose a device is: that of its site (kept here by triggers, so that a list of a tenant's devices is one index, and a
-- past row says whose it was then), its vendor's, its installer's. What follows is DeviceFacts.
ALTER TABLE device ADD COLUMN installer text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN enterprise text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN manager text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN area text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN identifier text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN identifier_kind text NOT NULL DEFAULT '' CHECK (identifier_kind IN ('', 'passive', 'active'));
ALTER TABLE device ADD COLUMN mounting text NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN made date;
ALTER TABLE device ADD COLUMN life_end date;
ALTER TABLE device ADD COLUMN gone timestamptz;
UPDATE device d SET enterprise = s.enterprise, area = s.area FROM site s WHERE s.key = d.site;
CREATE INDEX device_enterprise ON device (enterprise, device_no);
CREATE INDEX device_manager ON device (manager, device_no) WHERE manager <> '';
CREATE INDEX device_area ON device (area text_pattern_ops, device_no);
CREATE INDEX device_model_area ON device (model, area text_pattern_ops, device_no);
CREATE INDEX device_enterprise_area ON device (enterprise, area text_pattern_ops);
CREATE INDEX device_enterprise_due ON device (enterprise, calibration_due) WHERE calibration_due IS NOT NULL;
CREATE INDEX device_vendor ON device (vendor, device_no);
CREATE INDEX device_installer ON device (installer, device_no) WHERE installer <> '';
CREATE INDEX device_model_of ON device (model, device_no);
CREATE INDEX device_enterprise_model ON device (enterprise, model, device_no);
CREATE INDEX device_gateway ON device (gateway, device_no) WHERE gateway <> '';
CREATE INDEX device_calibration_due ON device (calibration_due, device_no) WHERE calibration_due IS NOT NULL;
CREATE INDEX device_identifier ON device (identifier) WHERE identifier <> '';

-- The functions of triggers run as the tables' owner: a writer who sees one tenant only still keeps the whole true.
CREATE FUNCTION davy_own_by_site() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    SELECT s.enterprise, s.manager, s.area INTO NEW.enterprise, NEW.manager, NEW.area FROM site s WHERE s.key = NEW.site;
    RETURN NEW;
END $$;
CREATE TRIGGER device_own BEFORE INSERT OR UPDATE OF site, enterprise, manager, area ON device
    FOR EACH ROW EXECUTE FUNCTION davy_own_by_site();
CREATE FUNCTION davy_site_owns() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE device SET enterprise = NEW.enterprise WHERE site = NEW.key;
    UPDATE installation SET enterprise = NEW.enterprise WHERE site = NEW.key;
    RETURN NULL;
END $$;
CREATE TRIGGER site_owns_devices AFTER UPDATE ON site FOR EACH ROW
    WHEN ((OLD.enterprise, OLD.manager, OLD.area) IS DISTINCT FROM (NEW.enterprise, NEW.manager, NEW.area))
    EXECUTE FUNCTION davy_site_owns();

-- LinkFacts.
ALTER TABLE link ADD COLUMN since date;
ALTER TABLE link ADD COLUMN installer text NOT NULL DEFAULT '';
CREATE INDEX link_valve ON link (valve);

-- A certificate of one device, or of all of a model.
CREATE TABLE certificate (
    scheme   text NOT NULL,
    number   text NOT NULL,
    identity text REFERENCES device (identity),
    model    text REFERENCES device_model,
    issuer   text NOT NULL DEFAULT '',
    issued   date,
    expires  date,
    PRIMARY KEY (scheme, number),
    CONSTRAINT of_a_device_or_a_model CHECK (num_nonnulls(identity, model) = 1)
);
CREATE INDEX certificate_identity ON certificate (identity) WHERE identity IS NOT NULL;
CREATE INDEX certificate_model ON certificate (model) WHERE model IS NOT NULL;
CREATE INDEX certificate_expires ON certificate (expires);

-- A device at a site from a day to a day. Of one device one is open at most.
CREATE TABLE installation (
    key           text   PRIMARY KEY,
    identity      text   NOT NULL REFERENCES device (identity),
    site          text   NOT NULL REFERENCES site,
    since         date   NOT NULL,
    until         date   CHECK (until >= since),
    installer     text   NOT NULL DEFAULT '',
    mounting      text   NOT NULL DEFAULT '',
    evidence      text[] NOT NULL DEFAULT '{}',
    gas_on_check  date,
    inspected     date,
    replaces      text   NOT NULL DEFAULT '',
    reason        text   NOT NULL DEFAULT '',
    ended_because text   NOT NULL DEFAULT '',
    -- Whose it is: its site's (kept by triggers, as of a device), and its device's vendor's.
    enterprise    text   NOT NULL DEFAULT '',
    manager       text   NOT NULL DEFAULT '',
    area          text   NOT NULL DEFAULT '',
    vendor        text   NOT NULL GENERATED ALWAYS AS (split_part(identity, '/', 1)) STORED
);
CREATE UNIQUE INDEX installation_open ON installation (identity) WHERE until IS NULL;
CREATE INDEX installation_identity ON installation (identity, since);
CREATE INDEX installation_site ON installation (site, since);
CREATE INDEX installation_installer ON installation (installer, key) WHERE installer <> '';
CREATE INDEX installation_enterprise ON installation (enterprise, key);
CREATE INDEX installation_manager ON installation (manager, key) WHERE manager <> '';
-- Regulators' rows are found so (migration 0013).
CREATE INDEX installation_area_2 ON installation (left(area, 2), key);
CREATE INDEX installation_area_4 ON installation (left(area, 4), key);
CREATE INDEX installation_area_6 ON installation (left(area, 6), key);
CREATE TRIGGER installation_own BEFORE INSERT OR UPDATE OF site, enterprise, manager, area ON installation
    FOR EACH ROW EXECUTE FUNCTION davy_own_by_site();
CREATE INDEX installation_replaces ON installation (replaces) WHERE replaces <> '';

-- People at sites (access/people.py). bytea is sealed (storage/sealed.py); an index is a keyed hash, by which a number
-- is found without being read.
CREATE TABLE person (
    tenant          text   NOT NULL,
    key             text   NOT NULL,
    name            bytea,
    telephone       bytea,
    telephone_index bytea,
    id_number       bytea,
    id_number_index bytea,
    language        text   NOT NULL DEFAULT 'zh',
    needs           text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant, key)
);
CREATE INDEX person_telephone ON person (tenant, telephone_index) WHERE telephone_index IS NOT NULL;
CREATE INDEX person_id_number ON person (tenant, id_number_index) WHERE id_number_index IS NOT NULL;

CREATE TABLE contact (
    tenant        text     NOT NULL,
    person        text     NOT NULL,
    channel       text     NOT NULL CHECK (channel IN ('telephone', 'sms', 'wechat', 'app', 'email')),
    rank          smallint NOT NULL DEFAULT 1 CHECK (rank >= 1),
    address       bytea,
    address_index bytea,
    proven        date,
    proven_by     text     NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, person, channel, rank),
    FOREIGN KEY (tenant, person) REFERENCES person ON DELETE CASCADE
);

CREATE TABLE site_role (
    tenant text NOT NULL,
    person text NOT NULL,
    site   text NOT NULL REFERENCES site,
    role   text NOT NULL,
    since  date NOT NULL DEFAULT '0001-01-01',
    until  date CHECK (until >= since),
    PRIMARY KEY (tenant, person, site, role, since),
    FOREIGN KEY (tenant, person) REFERENCES person ON DELETE CASCADE
);
CREATE INDEX site_role_site ON site_role (site, since);

-- `version` goes up by one with every change: who changes version 3 does not overwrite version 4 unseen.
CREATE FUNCTION davy_keep_past() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    at timestamptz := greatest(davy_at(), OLD.recorded);
BEGIN
    EXECUTE format('INSERT INTO %I SELECT $1, $2, $3.*', TG_TABLE_NAME || '_past') USING at, davy_by(), OLD;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    NEW.version := OLD.version + 1;
    NEW.recorded := at;
    NEW.recorded_by := davy_by();
    RETURN NEW;
END $$;

-- Gives a table its versions, its past (`superseded`: until when it stood so; `superseded_by`: who changed it) and
-- <table>_ever, both as one (`superseded` NULL: it stands). As of some time t: recorded <= t and (superseded IS NULL OR
-- superseded > t). A later migration that adds a column adds it to the past too, and calls davy_show_ever again.
CREATE FUNCTION davy_show_ever(of text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                     WHERE attrelid = of::regclass AND attnum > 0 AND NOT attisdropped);
BEGIN
    EXECUTE format('CREATE OR REPLACE VIEW %I WITH (security_invoker = true) AS '
                   'SELECT NULL::timestamptz AS superseded, NULL::text AS superseded_by, %s FROM %I UNION ALL '
                   'SELECT superseded, superseded_by, %s FROM %I',
                   of || '_ever', columns, of, columns, of || '_past');
    -- It shows nobody more than the tables behind it do: security_invoker.
    EXECUTE format('GRANT SELECT ON %I TO PUBLIC', of || '_ever');
END $$;
CREATE FUNCTION davy_keep_versions(of text, VARIADIC key text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ADD COLUMN version integer NOT NULL DEFAULT 1, '
                   'ADD COLUMN recorded timestamptz NOT NULL DEFAULT davy_at(), '
                   'ADD COLUMN recorded_by text NOT NULL DEFAULT davy_by()', of);
    EXECUTE format('CREATE TABLE %I (superseded timestamptz NOT NULL, superseded_by text NOT NULL, LIKE %I)',
                   of || '_past', of);
    EXECUTE format('CREATE INDEX ON %I (%s, version)', of || '_past',
                   (SELECT string_agg(quote_ident(one), ', ') FROM unnest(key) one));
    EXECUTE format('CREATE INDEX ON %I (superseded)', of || '_past');
    -- Its name makes it the last of the triggers that come before a row is written: they fire in the order of names.
    EXECUTE format('CREATE TRIGGER past_is_kept BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION davy_keep_past()',
                   of);
    PERFORM davy_show_ever(of);
END $$;
SELECT davy_keep_versions('enterprise', 'key');
SELECT davy_keep_versions('area', 'code', 'since');
SELECT davy_keep_versions('site', 'key');
SELECT davy_keep_versions('device', 'identity');
SELECT davy_keep_versions('link', 'detector', 'valve');
SELECT davy_keep_versions('matrix_row', 'id');
SELECT davy_keep_versions('certificate', 'scheme', 'number');
SELECT davy_keep_versions('installation', 'key');
SELECT davy_keep_versions('person', 'tenant', 'key');
SELECT davy_keep_versions('contact', 'tenant', 'person', 'channel', 'rank');
SELECT davy_keep_versions('site_role', 'tenant', 'person', 'site', 'role', 'since');
-- A person that is deleted is forgotten: that there was somebody stays, who it was does not, in no version.
CREATE FUNCTION davy_forget_person() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE person_past SET name = NULL, telephone = NULL, telephone_index = NULL, id_number = NULL, id_number_index = NULL
        WHERE tenant = OLD.tenant AND key = OLD.key;
    UPDATE contact_past SET address = NULL, address_index = NULL WHERE tenant = OLD.tenant AND person = OLD.key;
    RETURN NULL;
END $$;
-- Contacts are deleted before, by their reference: triggers that come after a row fire in the order of names too, and
-- those of references begin with RI_.
CREATE TRIGGER person_is_forgotten AFTER DELETE ON person FOR EACH ROW EXECUTE FUNCTION davy_forget_person();
CREATE INDEX ON device_past (site, superseded);
CREATE INDEX ON site_role_past (site, superseded);
CREATE INDEX ON installation_past (site, superseded);

-- What waits for the engine is a change that stands on another one (`base`), or the registry as a whole.
ALTER TABLE registry_outbox ADD COLUMN base bigint NOT NULL DEFAULT 0;
ALTER TABLE registry_outbox ADD COLUMN whole boolean NOT NULL DEFAULT true;
CREATE INDEX registry_outbox_whole ON registry_outbox (number) WHERE whole;

-- While a token is changed for another, the former one is good until a time, so that the device need not be visited.
ALTER TABLE credential ADD COLUMN former_sha256 text NOT NULL DEFAULT '' CHECK (former_sha256 ~ '^([0-9a-f]{64})?$');
ALTER TABLE credential ADD COLUMN former_until timestamptz;

-- What a change of the registry looks up: rows of the matrix by what they name, gateways by their bus.
CREATE INDEX matrix_row_names ON matrix_row USING gin ((detectors || valves || fans));
CREATE INDEX device_bus ON device (address) WHERE address LIKE 'modbus%';

-- Devices that wait for their place. Of a claim's code only the hash is kept; it is good once, and not for ever.
CREATE TABLE claim (
    claim       text        PRIMARY KEY,
    code_sha256 text        NOT NULL UNIQUE CHECK (code_sha256 ~ '^[0-9a-f]{64}$'),
    vendor      text        NOT NULL,
    serial      text        NOT NULL,
    model       text        NOT NULL REFERENCES device_model,
    state       text        NOT NULL DEFAULT 'offered'
        CHECK (state IN ('offered', 'claimed', 'approved', 'refused', 'withdrawn')),
    offered     timestamptz NOT NULL,
    offered_by  text        NOT NULL,
    expires     timestamptz NOT NULL CHECK (expires > offered),
    -- Of the token that the device left the factory with; empty: one is made when it is registered.
    token_sha256 text       NOT NULL DEFAULT '' CHECK (token_sha256 ~ '^([0-9a-f]{64})?$'),
    -- Who offered it: an enterprise, or the platform.
    offerer     text        NOT NULL DEFAULT '',
    site        text        NOT NULL DEFAULT '',
    -- The gas company of that site, which decides; and who claimed it.
    enterprise  text        NOT NULL DEFAULT '',
    installer   text        NOT NULL DEFAULT '',
    claimed     timestamptz,
    claimed_by  text        NOT NULL DEFAULT '',
    decided     timestamptz,
    decided_by  text        NOT NULL DEFAULT '',
    reason      text        NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX claim_open ON claim (vendor, serial) WHERE state IN ('offered', 'claimed');
CREATE INDEX claim_enterprise ON claim (enterprise, claimed DESC) WHERE enterprise <> '';
CREATE INDEX claim_offered ON claim (offered DESC, claim);

-- Every use of a code, also one that was refused: a second place that shows the same code is a copied label.
CREATE TABLE claim_use (
    claim   text        NOT NULL REFERENCES claim,
    at      timestamptz NOT NULL,
    by      text        NOT NULL,
    site    text        NOT NULL,
    refused text        NOT NULL DEFAULT ''
);
CREATE INDEX claim_use_claim ON claim_use (claim, at);

-- Whose staff looks at a claim before the device is registered. No row: they do.
CREATE TABLE claim_policy (
    enterprise text    PRIMARY KEY,
    approval   boolean NOT NULL
);

-- Device models as they are handed in, by version. At most one version of a model is admitted; it is what device_model
-- holds and the engine goes by. What is in the wheel or in the settings' folder has no row here.
CREATE TABLE device_model_version (
    key         text        NOT NULL,
    version     integer     NOT NULL CHECK (version >= 1),
    vendor      text        NOT NULL,
    state       text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'tried', 'admitted', 'withdrawn')),
    toml        text        NOT NULL,
    sha256      text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    uploaded    timestamptz NOT NULL,
    uploaded_by text        NOT NULL,
    decided     timestamptz,
    decided_by  text        NOT NULL DEFAULT '',
    reason      text        NOT NULL DEFAULT '',
    PRIMARY KEY (key, version)
);
CREATE UNIQUE INDEX device_model_admitted ON device_model_version (key) WHERE state = 'admitted';
CREATE INDEX device_model_vendor ON device_model_version (vendor, key, version);

-- A change of the registry is put in line by whoever may change the register (storage/outbox.py), and by nobody seen.
-- The number is above what any engine says it has: after a restored backup it may know a higher one than this table.
CREATE FUNCTION davy_offer(is_whole boolean, digest text, change bytea) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO registry_outbox (number, base, whole, sha256, body)
    SELECT greatest(base, (SELECT coalesce(max(registry_number), 0) FROM follower_cursor)) + 1, base, is_whole, digest, change
    FROM (SELECT coalesce(max(number), 0) AS base FROM registry_outbox) newest RETURNING number
$$;
CREATE FUNCTION davy_forget_offered(kept bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM registry_outbox WHERE number < (SELECT max(number) FROM (SELECT number,
        sum(length(body)) OVER (ORDER BY number DESC) AS bytes FROM registry_outbox) o WHERE bytes > kept)
$$;
