-- Row-level security: the second fence of G11, on every table of tenants (docs/SECURITY.md).
--
-- T1  Whoever asks is a database role: one per enterprise, a member of the group of its kind. Policies look `current_user`
--     up in tenant_role; there is no setting that a query could change to become somebody else.
-- T2  What no policy admits is not there. Empty owner fields admit nobody (NULL never equals).
-- T3  Roles are of the whole server, so their names begin with this installation's own word (davy_role).
-- T4  Readings have no policies (row-level security and the columnstore exclude each other), and tenants have no grants of
--     them: they have views, in the schema `tenant`.

-- Schema and not data: a data-only dump that is restored into a new installation leaves that one its own word.
DO $do$
BEGIN
    EXECUTE format('CREATE FUNCTION davy_role(what text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN %L || what',
                   'davy_' || left(replace(gen_random_uuid()::text, '-', ''), 8) || '_');
END $do$;

-- house: Davy's own processes. api: becomes any of the others for a transaction, and sees nothing by itself. writer: what a
-- tenant may change, the API changes in its name; Grafana in its name only reads.
DO $do$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['house', 'platform', 'public', 'api', 'writer', 'gas_company', 'vendor',
                                'installer', 'property_manager', 'regulator', 'regulator_2', 'regulator_4', 'regulator_6',
                                'regulator_9', 'regulator_0'] LOOP
        EXECUTE format('CREATE ROLE %I NOLOGIN', davy_role(name));
    END LOOP;
    EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET FALSE', davy_role('house'));
    EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT FALSE, SET TRUE', davy_role('api'));
    EXECUTE format('GRANT %I, %I TO %I WITH INHERIT FALSE, SET TRUE', davy_role('platform'), davy_role('public'),
                   davy_role('api'));
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'each tenant is a role of the database server, and % may not make roles; as a superuser run: ALTER ROLE % CREATEROLE;',
        current_user, quote_ident(current_user) USING ERRCODE = 'insufficient_privilege';
END $do$;

-- Who a role is. enterprise: its party. The other columns are what policies compare with, NULL where they do not apply;
-- area_from: what the codes of a regulator's area begin with. login: a role that signs in by itself, such as Grafana's.
CREATE TABLE tenant_role (
    role       text    PRIMARY KEY,
    enterprise text    NOT NULL,
    kind       text    NOT NULL,
    vendor     text,
    area_from  text,
    login      boolean NOT NULL DEFAULT false
);
CREATE INDEX ON tenant_role (enterprise);

-- Bodies are bound when they are made: no search_path of a caller changes what they mean. NULL for another kind.
CREATE FUNCTION davy_tenant() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT enterprise FROM tenant_role WHERE role = current_user::text);
CREATE FUNCTION davy_company() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT enterprise FROM tenant_role WHERE role = current_user::text AND kind = 'gas_company');
CREATE FUNCTION davy_manager() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT enterprise FROM tenant_role WHERE role = current_user::text AND kind = 'property_manager');
CREATE FUNCTION davy_installer() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT enterprise FROM tenant_role WHERE role = current_user::text AND kind = 'installer');
CREATE FUNCTION davy_vendor() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT vendor FROM tenant_role WHERE role = current_user::text AND kind = 'vendor');
CREATE FUNCTION davy_area_from() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT area_from FROM tenant_role WHERE role = current_user::text AND kind = 'regulator');

-- How a regulator's rows are found: by the first 2, 4 or 6 digits, which an index has in the order of lists (a range of codes
-- would be read whole and sorted); 9: by the first 6, and within these by the whole of a longer prefix; 0: of no such length.
CREATE FUNCTION davy_area_level(area_from text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN length(area_from) IN (2, 4, 6) THEN length(area_from)::text WHEN length(area_from) > 6 THEN '9' ELSE '0' END;

-- What the codes of all that lies within an area begin with (devices/areas.py, A1).
CREATE FUNCTION davy_area_prefix(code text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN length(code) <> 6 THEN code WHEN code LIKE '%0000' THEN left(code, 2)
                WHEN code LIKE '%00' THEN left(code, 4) ELSE code END;

-- A hash, because a key may be longer than a role's name (63 bytes), and two keys may differ after that.
CREATE FUNCTION davy_tenant_role(enterprise text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN davy_role('t_' || left(encode(sha256(convert_to(enterprise, 'UTF8')), 'hex'), 24));

-- The tenant's role is there, in the group of its kind and in no other, and tenant_role says so. Idempotent.
CREATE FUNCTION davy_make_tenant(enterprise text, kind text, vendor text, area text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    named text := davy_tenant_role(enterprise);
    start text := CASE WHEN davy_make_tenant.kind = 'regulator' THEN nullif(davy_area_prefix(area), '') END;
    one   record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = named) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', named);
    END IF;
    EXECUTE format('GRANT %I TO %I WITH INHERIT FALSE, SET TRUE', named, davy_role('api'));
    EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET FALSE', davy_role('writer'), named);
    INSERT INTO tenant_role AS t (role, enterprise, kind) VALUES (named, $1, $2) ON CONFLICT (role) DO NOTHING;
    UPDATE tenant_role t SET kind = $2, vendor = CASE WHEN $2 = 'vendor' THEN nullif($3, '') END, area_from = start
        WHERE t.enterprise = $1;
    FOR one IN SELECT t.role FROM tenant_role t WHERE t.enterprise = $1 LOOP
        PERFORM davy_join_groups(one.role);
    END LOOP;
END $$;

-- A role is in the groups that its row of tenant_role says, and in no others but the writers.
CREATE FUNCTION davy_join_groups(named text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    groups text[] := (SELECT ARRAY[davy_role(kind)] || CASE WHEN kind = 'regulator'
        THEN ARRAY[davy_role('regulator_' || davy_area_level(area_from))] ELSE '{}' END FROM tenant_role WHERE role = named);
    other  text;
BEGIN
    FOR other IN SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
        WHERE r.rolname = named AND g.rolname <> ALL (groups || davy_role('writer')) LOOP
        EXECUTE format('REVOKE %I FROM %I', other, named);
    END LOOP;
    FOREACH other IN ARRAY groups LOOP
        EXECUTE format('GRANT %I TO %I WITH INHERIT TRUE, SET FALSE', other, named);
    END LOOP;
END $$;

CREATE FUNCTION davy_drop_tenant(enterprise text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    one record;
BEGIN
    FOR one IN DELETE FROM tenant_role t WHERE t.enterprise = $1 RETURNING t.role LOOP
        EXECUTE format('DROP ROLE IF EXISTS %I', one.role);
    END LOOP;
END $$;

CREATE FUNCTION davy_enterprise_role() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.key <> NEW.key OR NEW.gone IS NOT NULL)) THEN
        PERFORM davy_drop_tenant(OLD.key);
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.gone IS NULL THEN
        PERFORM davy_make_tenant(NEW.key, NEW.kind, NEW.vendor, NEW.area);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER enterprise_is_made_a_role AFTER INSERT OR DELETE OR UPDATE OF key, kind, vendor, area, gone ON enterprise
    FOR EACH ROW EXECUTE FUNCTION davy_enterprise_role();
SELECT davy_make_tenant(key, kind, vendor, area) FROM enterprise;

-- Whose a row is stands in the row, so that lists of a tenant are read off an index however large the others are. It
-- follows the site: a site that is given to another company takes its past along; a device that is
-- moved leaves its past behind with the site.
ALTER TABLE alarm ADD COLUMN enterprise text NOT NULL DEFAULT '', ADD COLUMN manager text NOT NULL DEFAULT '',
    ADD COLUMN area text NOT NULL DEFAULT '', ADD COLUMN vendor text NOT NULL DEFAULT '';
ALTER TABLE wanted ADD COLUMN site text NOT NULL DEFAULT '', ADD COLUMN enterprise text NOT NULL DEFAULT '',
    ADD COLUMN manager text NOT NULL DEFAULT '', ADD COLUMN area text NOT NULL DEFAULT '',
    ADD COLUMN vendor text NOT NULL DEFAULT '';
ALTER TABLE permit ADD COLUMN site text NOT NULL DEFAULT '', ADD COLUMN enterprise text NOT NULL DEFAULT '',
    ADD COLUMN manager text NOT NULL DEFAULT '', ADD COLUMN area text NOT NULL DEFAULT '',
    ADD COLUMN vendor text NOT NULL DEFAULT '';
ALTER TABLE shut_off_held ADD COLUMN site text NOT NULL DEFAULT '', ADD COLUMN enterprise text NOT NULL DEFAULT '',
    ADD COLUMN manager text NOT NULL DEFAULT '', ADD COLUMN area text NOT NULL DEFAULT '',
    ADD COLUMN vendor text NOT NULL DEFAULT '';

-- An incident is of every site that ever had an alarm in it.
CREATE TABLE incident_site (
    incident   text NOT NULL,
    site       text NOT NULL,
    enterprise text NOT NULL DEFAULT '',
    manager    text NOT NULL DEFAULT '',
    area       text NOT NULL DEFAULT '',
    PRIMARY KEY (incident, site)
);

UPDATE alarm a SET vendor = d.vendor FROM device d WHERE d.device_no = a.device_no;
UPDATE alarm a SET enterprise = s.enterprise, manager = s.manager, area = s.area FROM site s WHERE s.key = a.site;
UPDATE wanted w SET site = d.site, enterprise = d.enterprise, manager = d.manager, area = d.area, vendor = d.vendor
    FROM device d WHERE d.device_no = w.device_no;
UPDATE permit p SET site = d.site, enterprise = d.enterprise, manager = d.manager, area = d.area, vendor = d.vendor
    FROM device d WHERE d.device_no = p.device_no;
UPDATE shut_off_held h SET site = d.site, enterprise = d.enterprise, manager = d.manager, area = d.area, vendor = d.vendor
    FROM device d WHERE d.device_no = h.device_no;
INSERT INTO incident_site SELECT DISTINCT incident, site, enterprise, manager, area FROM alarm WHERE incident <> '';

CREATE INDEX alarm_enterprise ON alarm (enterprise, raised DESC, alarm);
CREATE INDEX alarm_manager ON alarm (manager, raised DESC, alarm) WHERE manager <> '';
CREATE INDEX alarm_vendor ON alarm (vendor, raised DESC, alarm);
CREATE INDEX device_area_2 ON device (left(area, 2), device_no);
CREATE INDEX device_area_4 ON device (left(area, 4), device_no);
CREATE INDEX device_area_6 ON device (left(area, 6), device_no);
CREATE INDEX site_area_2 ON site (left(area, 2), key);
CREATE INDEX site_area_4 ON site (left(area, 4), key);
CREATE INDEX site_area_6 ON site (left(area, 6), key);
CREATE INDEX alarm_area_2 ON alarm (left(area, 2), raised DESC, alarm);
CREATE INDEX alarm_area_4 ON alarm (left(area, 4), raised DESC, alarm);
CREATE INDEX alarm_area_6 ON alarm (left(area, 6), raised DESC, alarm);
CREATE INDEX wanted_enterprise ON wanted (enterprise, since DESC);
CREATE INDEX wanted_site ON wanted (site);
CREATE INDEX permit_enterprise ON permit (enterprise, requested DESC);
CREATE INDEX permit_site ON permit (site);
CREATE INDEX shut_off_held_enterprise ON shut_off_held (enterprise, at DESC);
CREATE INDEX shut_off_held_site ON shut_off_held (site);
CREATE INDEX incident_site_site ON incident_site (site);

-- For what happened at a device: the site it names, else the device's.
CREATE FUNCTION davy_stamp_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    there record;
BEGIN
    SELECT d.vendor, d.site INTO there FROM device d WHERE d.device_no = NEW.device_no;
    NEW.vendor := coalesce(there.vendor, '');
    IF NEW.site = '' THEN
        NEW.site := coalesce(there.site, '');
    END IF;
    SELECT s.enterprise, s.manager, s.area INTO there FROM site s WHERE s.key = NEW.site;
    NEW.enterprise := coalesce(there.enterprise, '');
    NEW.manager := coalesce(there.manager, '');
    NEW.area := coalesce(there.area, '');
    RETURN NEW;
END $$;
CREATE TRIGGER alarm_is_its_sites BEFORE INSERT ON alarm FOR EACH ROW EXECUTE FUNCTION davy_stamp_event();
CREATE TRIGGER wanted_is_its_sites BEFORE INSERT ON wanted FOR EACH ROW EXECUTE FUNCTION davy_stamp_event();
CREATE TRIGGER permit_is_its_sites BEFORE INSERT ON permit FOR EACH ROW EXECUTE FUNCTION davy_stamp_event();
CREATE TRIGGER held_is_its_sites BEFORE INSERT ON shut_off_held FOR EACH ROW EXECUTE FUNCTION davy_stamp_event();

CREATE FUNCTION davy_incident_site() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO incident_site (incident, site, enterprise, manager, area)
        VALUES (NEW.incident, NEW.site, NEW.enterprise, NEW.manager, NEW.area) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER alarm_is_in_an_incident AFTER INSERT OR UPDATE OF incident ON alarm
    FOR EACH ROW WHEN (NEW.incident <> '') EXECUTE FUNCTION davy_incident_site();

CREATE FUNCTION davy_site_moved() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned text;
BEGIN
    IF NOT EXISTS (SELECT FROM later n JOIN earlier o USING (key)
                   WHERE (n.enterprise, n.manager, n.area) <> (o.enterprise, o.manager, o.area)) THEN
        RETURN NULL;
    END IF;
    FOREACH owned IN ARRAY ARRAY['alarm', 'wanted', 'permit', 'shut_off_held', 'incident_site'] LOOP
        EXECUTE format('UPDATE %I t SET enterprise = n.enterprise, manager = n.manager, area = n.area'
            ' FROM later n JOIN earlier o USING (key) WHERE t.site = n.key'
            ' AND (n.enterprise, n.manager, n.area) <> (o.enterprise, o.manager, o.area)', owned);
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER site_takes_its_own_along AFTER UPDATE ON site REFERENCING OLD TABLE AS earlier NEW TABLE AS later
    FOR EACH STATEMENT EXECUTE FUNCTION davy_site_moved();

-- Keys that seal personal data (storage/sealed.py), wrapped by the installation's master key, which is not in the database.
-- Versions are never given twice.
CREATE TABLE tenant_key (
    tenant  text        NOT NULL,
    version integer     NOT NULL,
    wrapped bytea       NOT NULL,
    made    timestamptz NOT NULL,
    PRIMARY KEY (tenant, version)
);
CREATE SEQUENCE tenant_key_version AS integer MINVALUE 1 NO CYCLE;

-- A table's fence: nobody passes but Davy's own processes and the platform; then who else is admitted, by kind. Both are
-- for later migrations too.
CREATE PROCEDURE davy_fence(relation text, platform_verbs text DEFAULT 'SELECT, INSERT, UPDATE, DELETE')
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('CREATE POLICY house ON %I TO %I USING (true) WITH CHECK (true)', relation, davy_role('house'));
    EXECUTE format('CREATE POLICY platform ON %I TO %I USING (true) WITH CHECK (true)', relation, davy_role('platform'));
    EXECUTE format('GRANT %s ON %I TO %I', platform_verbs, relation, davy_role('platform'));
END $$;

-- kinds and verbs: with commas between; kinds 'tenants': each of the five. rule: of a row that is seen, and of one that is
-- written; @ is the table, <area> that its column `area` lies in the regulator's. columns: the only ones that are seen;
-- empty: all.
CREATE PROCEDURE davy_admit(relation text, kinds text, verbs text, rule text, columns text DEFAULT '')
LANGUAGE plpgsql AS $$
DECLARE
    kind text;
    verb text;
BEGIN
    kinds := replace(kinds, 'tenants', 'gas_company, vendor, installer, property_manager, regulator');
    FOREACH kind IN ARRAY string_to_array(kinds, ', ') LOOP
        FOREACH verb IN ARRAY string_to_array(verbs, ', ') LOOP
            EXECUTE format('GRANT %s ON %I TO %I', verb || CASE WHEN verb = 'SELECT' AND columns <> '' THEN format(' (%s)', columns) ELSE '' END,
                relation, davy_role(CASE verb WHEN 'SELECT' THEN kind ELSE 'writer' END));
            IF kind = 'regulator' AND rule LIKE '%<area>%' THEN
                CALL davy_policy(relation, 'regulator_2', verb, replace(rule, '<area>', '(left(area, 2) = (SELECT davy_area_from()))'));
                CALL davy_policy(relation, 'regulator_4', verb, replace(rule, '<area>', '(left(area, 4) = (SELECT davy_area_from()))'));
                CALL davy_policy(relation, 'regulator_6', verb, replace(rule, '<area>', '(left(area, 6) = (SELECT davy_area_from()))'));
                CALL davy_policy(relation, 'regulator_9', verb, replace(rule, '<area>', '(left(area, 6) = (SELECT left(davy_area_from(), 6))'
                    ' AND starts_with(area, (SELECT davy_area_from())))'));
                CALL davy_policy(relation, 'regulator_0', verb, replace(rule, '<area>', 'starts_with(area, (SELECT davy_area_from()))'));
            ELSE
                CALL davy_policy(relation, kind, verb, replace(rule, '<area>', 'false'));
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE PROCEDURE davy_policy(relation text, kind text, verb text, rule text)
LANGUAGE plpgsql AS $$
DECLARE
    said text := replace(rule, '@', quote_ident(relation));
BEGIN
    EXECUTE format('CREATE POLICY %I ON %I FOR %s TO %I ', kind || '_' || lower(verb), relation, verb, davy_role(kind))
        || CASE verb WHEN 'INSERT' THEN format('WITH CHECK (%s)', said)
                     WHEN 'UPDATE' THEN format('USING (%s) WITH CHECK (%s)', said, said)
                     ELSE format('USING (%s)', said) END;
END $$;

-- The same of a table whose rows say whose they are: enterprise, manager, area, and vendor where `of_device`.
CREATE PROCEDURE davy_admit_owners(relation text, of_device boolean)
LANGUAGE plpgsql AS $$
BEGIN
    CALL davy_admit(relation, 'gas_company', 'SELECT', 'enterprise = (SELECT davy_company())');
    CALL davy_admit(relation, 'property_manager', 'SELECT', 'manager <> '''' AND manager = (SELECT davy_manager())');
    CALL davy_admit(relation, 'regulator', 'SELECT', '<area>');
    IF of_device THEN
        CALL davy_admit(relation, 'vendor', 'SELECT', 'vendor = (SELECT davy_vendor())');
    END IF;
END $$;

-- The tables, one by one. A table of the schema that stands neither here nor among the closed ones of the test fails it.
CALL davy_fence('tenant_role', 'SELECT');
CALL davy_admit('tenant_role', 'tenants', 'SELECT', 'role = current_user::text');

-- The register, and its past, which stays with whoever's it was.
DO $do$
DECLARE
    past text;
BEGIN
    FOREACH past IN ARRAY ARRAY['', '_past'] LOOP
        CALL davy_fence('enterprise' || past);
        CALL davy_admit('enterprise' || past, 'tenants', 'SELECT', 'key = (SELECT davy_tenant())');
        CALL davy_fence('area' || past);
        CALL davy_admit('area' || past, 'tenants, public', 'SELECT', 'true');
        CALL davy_fence('site' || past);
        CALL davy_admit_owners('site' || past, false);
        CALL davy_admit('site' || past, 'installer', 'SELECT', 'EXISTS (SELECT FROM device d WHERE d.site = @.key)');
        CALL davy_fence('device' || past);
        CALL davy_admit_owners('device' || past, true);
        CALL davy_admit('device' || past, 'installer', 'SELECT', 'installer <> '''' AND installer = (SELECT davy_installer())');
        CALL davy_fence('link' || past);
        CALL davy_admit('link' || past, 'tenants', 'SELECT', 'EXISTS (SELECT FROM device d WHERE d.identity = @.detector)'
            ' AND EXISTS (SELECT FROM device d WHERE d.identity = @.valve)');
        CALL davy_fence('matrix_row' || past);
        CALL davy_admit('matrix_row' || past, 'gas_company', 'SELECT', 'NOT EXISTS (SELECT FROM unnest(detectors || valves || fans)'
            ' AS named (identity) WHERE NOT EXISTS (SELECT FROM device d WHERE d.identity = named.identity))');
        CALL davy_fence('certificate' || past);
        CALL davy_admit('certificate' || past, 'tenants', 'SELECT', 'model IS NOT NULL OR'
            ' EXISTS (SELECT FROM device d WHERE d.identity = @.identity)');
        CALL davy_fence('installation' || past);
        CALL davy_admit_owners('installation' || past, true);
        CALL davy_admit('installation' || past, 'installer', 'SELECT', 'installer <> '''' AND installer = (SELECT davy_installer())');
        -- People are their gas company's, and nobody else's at all.
        CALL davy_fence('person' || past);
        CALL davy_admit('person' || past, 'gas_company', 'SELECT', 'tenant = (SELECT davy_company())');
        CALL davy_fence('contact' || past);
        CALL davy_admit('contact' || past, 'gas_company', 'SELECT', 'tenant = (SELECT davy_company())');
        CALL davy_fence('site_role' || past);
        CALL davy_admit('site_role' || past, 'gas_company', 'SELECT', 'tenant = (SELECT davy_company())');
    END LOOP;
END $do$;
CALL davy_fence('tenant_key');
CALL davy_admit('tenant_key', 'tenants', 'SELECT, INSERT', 'tenant = (SELECT davy_tenant())');
-- What a gas company changes itself. The past is written by triggers, which are the owner's.
CALL davy_admit('site', 'gas_company', 'INSERT, UPDATE, DELETE', 'enterprise = (SELECT davy_company())');
CALL davy_admit('device', 'gas_company', 'INSERT, UPDATE, DELETE',
    'enterprise = (SELECT davy_company()) AND EXISTS (SELECT FROM site s WHERE s.key = @.site)');
CALL davy_admit('link', 'gas_company', 'INSERT, UPDATE, DELETE', 'EXISTS (SELECT FROM device d WHERE d.identity = @.detector)'
    ' AND EXISTS (SELECT FROM device d WHERE d.identity = @.valve)');
CALL davy_admit('matrix_row', 'gas_company', 'INSERT, UPDATE, DELETE', 'NOT EXISTS (SELECT FROM unnest(detectors || valves || fans)'
    ' AS named (identity) WHERE NOT EXISTS (SELECT FROM device d WHERE d.identity = named.identity))');
CALL davy_admit('certificate', 'gas_company', 'INSERT, UPDATE, DELETE', 'EXISTS (SELECT FROM device d WHERE d.identity = @.identity)');
CALL davy_admit('installation', 'gas_company', 'INSERT, UPDATE, DELETE', 'EXISTS (SELECT FROM site s WHERE s.key = @.site)'
    ' AND EXISTS (SELECT FROM device d WHERE d.identity = @.identity)');
CALL davy_admit('installation', 'installer', 'INSERT, UPDATE', 'installer <> '''' AND installer = (SELECT davy_installer())'
    ' AND EXISTS (SELECT FROM device d WHERE d.identity = @.identity)');
CALL davy_admit('person', 'gas_company', 'INSERT, UPDATE, DELETE', 'tenant = (SELECT davy_company())');
CALL davy_admit('contact', 'gas_company', 'INSERT, UPDATE, DELETE', 'tenant = (SELECT davy_company())');
CALL davy_admit('site_role', 'gas_company', 'INSERT, UPDATE, DELETE',
    'tenant = (SELECT davy_company()) AND EXISTS (SELECT FROM site s WHERE s.key = @.site)');
CALL davy_fence('credential');
CALL davy_admit('credential', 'gas_company', 'SELECT, INSERT, UPDATE, DELETE',
    'EXISTS (SELECT FROM device d WHERE d.identity = @.identity)');
CALL davy_fence('registry_outbox');

-- A claim is seen by who offered it, who claimed it, and whose the site is. What a code hashes to is nobody's to read but the
-- platform's, which looks whether one is right.
CALL davy_fence('claim');
CALL davy_admit('claim', 'tenants', 'SELECT', 'offerer = (SELECT davy_tenant())'
    ' OR enterprise = (SELECT davy_company()) OR installer = (SELECT davy_installer())',
    'claim, vendor, serial, model, state, token_sha256, offered, offered_by, expires, offerer, site, enterprise, installer, claimed,'
    ' claimed_by, decided, decided_by, reason');
CALL davy_admit('claim', 'gas_company', 'UPDATE', 'enterprise = (SELECT davy_company())');
CALL davy_fence('claim_use');
CALL davy_admit('claim_use', 'tenants', 'SELECT', 'EXISTS (SELECT FROM claim c WHERE c.claim = @.claim)');
CALL davy_fence('claim_policy');
CALL davy_admit('claim_policy', 'gas_company', 'SELECT, INSERT, UPDATE', 'enterprise = (SELECT davy_company())');
-- A model that is handed in is its vendor's until it is admitted.
CALL davy_fence('device_model_version');
CALL davy_admit('device_model_version', 'vendor', 'SELECT, INSERT', 'vendor = (SELECT davy_vendor())');
CALL davy_admit('device_model_version', 'gas_company, installer', 'SELECT', 'state IN (''admitted'', ''withdrawn'')');

-- What the engine decided.
CALL davy_fence('device_latest', 'SELECT');
CALL davy_admit('device_latest', 'gas_company, vendor, installer', 'SELECT',
    'EXISTS (SELECT FROM device d WHERE d.device_no = @.device_no)');
-- Where a valve was last seen, and nothing of what was measured.
CALL davy_admit('device_latest', 'property_manager, regulator', 'SELECT',
    'EXISTS (SELECT FROM device d WHERE d.device_no = @.device_no)', 'device_no, valve, flags');
CALL davy_fence('alarm', 'SELECT');
CALL davy_admit_owners('alarm', true);
CALL davy_admit('alarm', 'installer', 'SELECT', 'EXISTS (SELECT FROM device d WHERE d.device_no = @.device_no)');
CALL davy_fence('alarm_event', 'SELECT');
CALL davy_admit('alarm_event', 'gas_company, property_manager, regulator, installer', 'SELECT',
    'EXISTS (SELECT FROM alarm a WHERE a.alarm = @.alarm)');
CALL davy_fence('wanted', 'SELECT');
CALL davy_admit_owners('wanted', true);
CALL davy_admit('wanted', 'installer', 'SELECT', 'EXISTS (SELECT FROM device d WHERE d.device_no = @.device_no)');
CALL davy_fence('command', 'SELECT');
CALL davy_admit('command', 'tenants', 'SELECT', 'EXISTS (SELECT FROM wanted w WHERE w.wanted = @.wanted)');
CALL davy_fence('command_step', 'SELECT');
CALL davy_admit('command_step', 'tenants', 'SELECT', 'EXISTS (SELECT FROM wanted w WHERE w.wanted = @.wanted)');
CALL davy_fence('incident_site', 'SELECT');
CALL davy_admit_owners('incident_site', false);
CALL davy_fence('incident', 'SELECT');
CALL davy_admit('incident', 'gas_company, property_manager, regulator', 'SELECT',
    'EXISTS (SELECT FROM incident_site s WHERE s.incident = @.incident)');
CALL davy_fence('incident_event', 'SELECT');
CALL davy_admit('incident_event', 'gas_company, property_manager, regulator', 'SELECT',
    'EXISTS (SELECT FROM incident_site s WHERE s.incident = @.incident)'
    ' AND (alarm = '''' OR EXISTS (SELECT FROM alarm a WHERE a.alarm = @.alarm))');
CALL davy_fence('permit', 'SELECT');
CALL davy_admit('permit', 'gas_company', 'SELECT', 'enterprise = (SELECT davy_company())');
CALL davy_fence('permit_event', 'SELECT');
CALL davy_admit('permit_event', 'gas_company', 'SELECT', 'EXISTS (SELECT FROM permit p WHERE p.permit = @.permit)');
CALL davy_fence('shut_off_held', 'SELECT');
CALL davy_admit('shut_off_held', 'gas_company', 'SELECT', 'enterprise = (SELECT davy_company())');

-- Rules are the installation's and judge everybody's devices; a gas company may look at them.
CALL davy_fence('rule_pack', 'SELECT');
CALL davy_admit('rule_pack', 'gas_company', 'SELECT', 'true');
CALL davy_fence('rule_pack_since', 'SELECT');
CALL davy_admit('rule_pack_since', 'gas_company', 'SELECT', 'true');
CALL davy_fence('rule_note', 'SELECT');
CALL davy_admit('rule_note', 'gas_company', 'SELECT', 'true');
-- The catalogue of models, and what schema this is, are for everybody.
CALL davy_fence('device_model');
CALL davy_admit('device_model', 'tenants, public', 'SELECT', 'true');
CALL davy_fence('davy_mode', 'SELECT');
CALL davy_admit('davy_mode', 'tenants, public', 'SELECT', 'true');
CALL davy_fence('davy_migration', 'SELECT');
CALL davy_admit('davy_migration', 'tenants, public', 'SELECT', 'true');

-- Counts of the installation as a whole: the platform's.
CALL davy_fence('answer', 'SELECT');
CALL davy_fence('follower_cursor', 'SELECT');
CALL davy_fence('source_count', 'SELECT');
CALL davy_fence('quarantine', 'SELECT');
CALL davy_fence('quarantine_dropped', 'SELECT');
CALL davy_fence('reading_day', 'SELECT');
CALL davy_fence('rollup_due', 'SELECT');

-- Who may sign in. Hashes of secrets are nobody's to read but the platform's, whose role the API has while it signs
-- somebody in.
CALL davy_fence('account');
CALL davy_admit('account', 'tenants', 'SELECT', 'EXISTS (SELECT FROM membership m WHERE m.account = @.account)',
    'account, login, issuer, subject, person, disabled, created, changed');
CALL davy_fence('membership');
CALL davy_admit('membership', 'tenants', 'SELECT', 'enterprise = (SELECT davy_tenant())');
CALL davy_fence('session');
CALL davy_admit('session', 'tenants', 'SELECT', 'EXISTS (SELECT FROM membership m WHERE m.account = @.account)',
    'session, account, how, began, expires, ended, changed');
CALL davy_fence('password_link');
CALL davy_fence('api_key');
CALL davy_admit('api_key', 'tenants', 'SELECT', 'enterprise = (SELECT davy_tenant())',
    'key, name, role, enterprise, sites, scopes, made, made_by, expires, revoked, last_used, changed');

-- Coverage. A report is its readers' as far as any of its cells is; a regulator has those of its area even where they are
-- empty, and orders, plans and publishes there.
CALL davy_fence('coverage_cell');
CALL davy_admit_owners('coverage_cell', false);
CALL davy_fence('coverage_gap');
CALL davy_admit_owners('coverage_gap', false);
CALL davy_fence('coverage_fitted');
CALL davy_admit_owners('coverage_fitted', false);
CALL davy_fence('coverage_report');
CALL davy_admit('coverage_report', 'gas_company, property_manager', 'SELECT',
    'EXISTS (SELECT FROM coverage_cell c WHERE c.report = @.report)');
CALL davy_admit('coverage_report', 'regulator', 'SELECT', '<area>'
    ' OR EXISTS (SELECT FROM coverage_cell c WHERE c.report = @.report)');
CALL davy_admit('coverage_report', 'regulator', 'UPDATE', '<area>');
-- What was promised is no secret of anybody's.
CALL davy_fence('coverage_plan');
CALL davy_admit('coverage_plan', 'gas_company, property_manager', 'SELECT', 'true');
CALL davy_admit('coverage_plan', 'regulator', 'SELECT, INSERT, UPDATE, DELETE',
    '<area>');
CALL davy_fence('coverage_plan_past');
CALL davy_admit('coverage_plan_past', 'gas_company, property_manager', 'SELECT', 'true');
CALL davy_admit('coverage_plan_past', 'regulator', 'SELECT', '<area>');
CALL davy_fence('coverage_schedule');
CALL davy_admit('coverage_schedule', 'regulator', 'SELECT, INSERT, UPDATE, DELETE',
    '<area>');
CALL davy_fence('coverage_order');
CALL davy_admit('coverage_order', 'regulator', 'SELECT, INSERT, UPDATE',
    '<area>');
CALL davy_fence('coverage_policy');
CALL davy_admit('coverage_policy', 'gas_company, property_manager, regulator', 'SELECT', 'true');
CALL davy_fence('valve_closed');
CALL davy_admit('valve_closed', 'gas_company, property_manager, regulator, vendor, installer', 'SELECT',
    'EXISTS (SELECT FROM device d WHERE d.device_no = @.device_no)');
CALL davy_fence('notice');
CALL davy_admit('notice', 'regulator', 'SELECT', '<area>');

-- What an enterprise did in a month is its own, and the regulators' of the area; of a promise the card has a copy. That of
-- a vendor says nothing of where its devices are (davy_show_vendor, below).
CALL davy_fence('response_promise', 'SELECT, INSERT');
CALL davy_admit('response_promise', 'gas_company', 'SELECT, INSERT', 'enterprise = (SELECT davy_company())');
CALL davy_fence('scorecard_cell', 'SELECT, INSERT, DELETE');
CALL davy_admit('scorecard_cell', 'gas_company', 'SELECT', 'enterprise = (SELECT davy_company())');
CALL davy_admit('scorecard_cell', 'regulator', 'SELECT, INSERT', '<area>');
CALL davy_fence('scorecard');
CALL davy_admit('scorecard', 'gas_company, vendor', 'SELECT', 'enterprise = (SELECT davy_tenant())');
CALL davy_admit('scorecard', 'regulator', 'SELECT', '<area>'
    ' OR EXISTS (SELECT FROM scorecard_cell c WHERE c.scorecard = @.scorecard)');
CALL davy_admit('scorecard', 'regulator', 'INSERT, UPDATE, DELETE', '<area>');

-- The catalogue: what is admitted, or was and is removed, is everybody's; an offer is its vendor's and the area's regulator's.
CALL davy_fence('catalogue_entry');
CALL davy_admit('catalogue_entry', 'public', 'SELECT', 'state <> ''offered''');
CALL davy_admit('catalogue_entry', 'tenants', 'SELECT', 'state <> ''offered'' OR enterprise = (SELECT davy_tenant())'
    ' OR (<area>)');
CALL davy_admit('catalogue_entry', 'vendor', 'INSERT', 'enterprise = (SELECT davy_tenant()) AND state = ''offered''');
CALL davy_admit('catalogue_entry', 'regulator', 'UPDATE', '<area>');
-- Whatever stood there, a vendor makes an offer of it and nothing else.
DO $do$
BEGIN
    EXECUTE format('GRANT UPDATE ON catalogue_entry TO %I', davy_role('writer'));
    EXECUTE format('CREATE POLICY vendor_update ON catalogue_entry FOR UPDATE TO %I USING (enterprise = (SELECT davy_tenant()))'
                   ' WITH CHECK (enterprise = (SELECT davy_tenant()) AND state = ''offered'')', davy_role('vendor'));
END $do$;
CALL davy_fence('catalogue_product');
CALL davy_admit('catalogue_product', 'tenants, public', 'SELECT',
    'EXISTS (SELECT FROM catalogue_entry e WHERE e.enterprise = @.enterprise AND e.area = @.area)');
CALL davy_admit('catalogue_product', 'vendor', 'INSERT, UPDATE, DELETE', 'enterprise = (SELECT davy_tenant())');
CALL davy_fence('catalogue_publication');
CALL davy_admit('catalogue_publication', 'tenants, public', 'SELECT', 'true');
CALL davy_admit('catalogue_publication', 'regulator', 'INSERT', '<area>');
CALL davy_fence('complaint');
CALL davy_admit('complaint', 'regulator', 'SELECT', '<area>');
CALL davy_fence('complaint_step');
CALL davy_admit('complaint_step', 'regulator', 'SELECT, INSERT', 'EXISTS (SELECT FROM complaint c WHERE c.number = @.number)');
-- What a catalogue says of its vendors; of parties nothing else is public.
CREATE VIEW davy_party_names WITH (security_barrier = true) AS
    SELECT key, name, name_en FROM enterprise p
    WHERE EXISTS (SELECT FROM catalogue_entry e WHERE e.enterprise = p.key AND e.state <> 'offered');
DO $do$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['platform', 'public', 'gas_company', 'vendor', 'installer', 'property_manager', 'regulator'] LOOP
        EXECUTE format('GRANT SELECT ON davy_party_names TO %I', davy_role(kind));
    END LOOP;
END $do$;

-- Sharing: a grant is its two parties'; webhooks are their receiver's.
CALL davy_fence('sharing_grant');
CALL davy_admit('sharing_grant', 'tenants', 'SELECT, UPDATE', 'grantor = (SELECT davy_tenant()) OR receiver = (SELECT davy_tenant())');
CALL davy_admit('sharing_grant', 'tenants', 'INSERT', 'grantor = (SELECT davy_tenant())');
-- A grant is accepted and ended; what it is of never changes, least of all by its receiver.
DO $do$
BEGIN
    EXECUTE format('REVOKE UPDATE ON sharing_grant FROM %I', davy_role('writer'));
    EXECUTE format('GRANT UPDATE (accepted, accepted_by, ended, ended_by) ON sharing_grant TO %I', davy_role('writer'));
END $do$;
CALL davy_fence('webhook');
CALL davy_admit('webhook', 'tenants', 'SELECT, INSERT, UPDATE, DELETE', 'enterprise = (SELECT davy_tenant())');
CALL davy_fence('webhook_delivery');
CALL davy_admit('webhook_delivery', 'tenants', 'SELECT, UPDATE', 'EXISTS (SELECT FROM webhook w WHERE w.webhook = @.webhook)');

-- Each tenant's own chain of the record, which grows by davy_record only. Signed heads are everybody's.
CALL davy_fence('audit_entry', 'SELECT');
CALL davy_admit('audit_entry', 'tenants', 'SELECT', 'tenant = (SELECT davy_tenant())');
CALL davy_fence('audit_end', 'SELECT');
CALL davy_admit('audit_end', 'tenants', 'SELECT', 'tenant = (SELECT davy_tenant())');
CALL davy_fence('audit_heads', 'SELECT');
CALL davy_admit('audit_heads', 'tenants, public', 'SELECT', 'true');
CALL davy_fence('audit_vouched', 'SELECT');

-- Readings (T4). A view asks as its owner, so what it shows is said here once more; `current_user` is still the asker.
CREATE SCHEMA tenant;
CREATE SCHEMA tenant_vendor;
CREATE FUNCTION davy_make_reading_views() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['reading', 'reading_extra', 'reading_1m', 'reading_1h'] LOOP
        EXECUTE format('CREATE VIEW tenant.%I WITH (security_barrier) AS SELECT r.* FROM public.%I r WHERE EXISTS (SELECT'
            ' FROM public.device d WHERE d.device_no = r.device_no AND (d.enterprise = (SELECT public.davy_company())'
            ' OR d.vendor = (SELECT public.davy_vendor()) OR d.installer <> '''' AND d.installer = (SELECT public.davy_installer())))', name, name);
        EXECUTE format('GRANT SELECT ON tenant.%I TO %I, %I, %I', name, public.davy_role('gas_company'),
            public.davy_role('vendor'), public.davy_role('installer'));
        EXECUTE format('GRANT SELECT ON public.%I TO %I', name, public.davy_role('platform'));
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION davy_make_reading_views() FROM PUBLIC;
SELECT davy_make_reading_views();

-- A vendor sees its devices, and neither who lives there, nor where, nor what was said about them: it has grants of the
-- columns named here, and views that have all the columns, so that the same questions can be asked; the others are empty.
-- They ask as their caller, so that PostgreSQL may look up a row in them by an index.
CREATE PROCEDURE davy_show_vendor(relation text, columns text, rule text)
LANGUAGE plpgsql AS $$
BEGIN
    CALL davy_admit(relation, 'vendor', 'SELECT', rule, columns);
    EXECUTE format('CREATE VIEW tenant_vendor.%I WITH (security_invoker) AS SELECT %s FROM public.%I', relation,
        (SELECT string_agg(CASE WHEN attname = ANY (string_to_array(columns, ', ')) THEN quote_ident(attname)
            WHEN atttypid = 'text'::regtype THEN format('''''::text AS %I', attname)
            WHEN atttypid = 'text[]'::regtype THEN format('''{}''::text[] AS %I', attname)
            ELSE format('NULL::%s AS %I', format_type(atttypid, atttypmod), attname) END, ', ' ORDER BY attnum)
         FROM pg_attribute WHERE attrelid = relation::regclass AND attnum > 0 AND NOT attisdropped), relation);
    EXECUTE format('GRANT SELECT ON tenant_vendor.%I TO %I', relation, davy_role('vendor'));
END $$;
CALL davy_show_vendor('site', 'key, timezone, simulated, site_class, gone, version, recorded',
    'EXISTS (SELECT FROM device d WHERE d.site = @.key)');
CALL davy_show_vendor('scorecard_cell', 'scorecard, enterprise, counts', 'enterprise = (SELECT davy_tenant())');
CALL davy_show_vendor('alarm_event', 'engine, cycle, n, alarm, at, change, state, priority, trial, until, resolution',
    'EXISTS (SELECT FROM alarm a WHERE a.alarm = @.alarm)');

DO $do$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['platform', 'gas_company', 'vendor', 'installer', 'property_manager', 'regulator', 'public'] LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA public, tenant TO %I', davy_role(kind));
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', davy_role('api'));
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', davy_role('writer'));
    EXECUTE format('GRANT USAGE ON SCHEMA tenant_vendor TO %I', davy_role('vendor'));
    EXECUTE format('GRANT USAGE ON SEQUENCE device_no, tenant_key_version TO %I, %I', davy_role('platform'), davy_role('writer'));
END $do$;

-- A function that runs as its owner is called by nobody but triggers, unless it is granted below; and no table that a
-- caller makes in pg_temp stands before ours there.
DO $do$
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT oid FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', one);
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
    EXECUTE format('GRANT EXECUTE ON FUNCTION davy_offer(boolean, text, bytea), davy_forget_offered(bigint) TO %I, %I',
        davy_role('platform'), davy_role('writer'));
    EXECUTE format('GRANT EXECUTE ON FUNCTION davy_record(text[], bigint[], text[], text[], text[]) TO %I, %I',
        davy_role('platform'), davy_role('writer'));
END $do$;
