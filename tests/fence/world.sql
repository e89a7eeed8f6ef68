-- A row of world %(w)s in every table, in the order in which they can be written. `no` is 1 in a and 2 in b; `area` a city.
-- Every row says its world: by a text that ends in its letter, an area, a day, or a number.

-- table: enterprise
INSERT INTO enterprise (key, kind, name, vendor, area) SELECT k || '-' || %(w)s, k, k, CASE WHEN k =
    'vendor' THEN 'maker-' || %(w)s ELSE '' END, CASE WHEN k = 'regulator' THEN %(area)s ELSE '' END FROM
    unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k;

-- table: site
INSERT INTO site (key, name, address, enterprise, manager, area) VALUES ('site-' || %(w)s, 'Home', 'Lane',
    'gas_company-' || %(w)s, 'property_manager-' || %(w)s, left(%(area)s, 4) || '56');

-- table: device
INSERT INTO device (device_no, vendor, serial, model, site, installer) SELECT %(no)s * 10 + n, 'maker-' ||
    %(w)s, 's' || n || '-' || %(w)s, 'model', 'site-' || %(w)s, 'installer-' || %(w)s FROM
    generate_series(1, 2) n;

-- table: link
INSERT INTO link (detector, valve) VALUES ('maker-' || %(w)s || '/s1-' || %(w)s, 'maker-' || %(w)s || '/s2-'
    || %(w)s);

-- table: matrix_row
INSERT INTO matrix_row VALUES ('row-' || %(w)s, ARRAY['maker-' || %(w)s || '/s1-' || %(w)s], 1, '{}',
    ARRAY['maker-' || %(w)s || '/s2-' || %(w)s], '{}');

-- table: credential
INSERT INTO credential (identity, token_sha256) VALUES ('maker-' || %(w)s || '/s1-' || %(w)s, repeat('0',
    64));

-- table: certificate
INSERT INTO certificate (scheme, number, identity) VALUES ('CCC', 'n-' || %(w)s, 'maker-' || %(w)s || '/s1-'
    || %(w)s);

-- table: installation
INSERT INTO installation (key, identity, site, since, installer) VALUES ('inst-' || %(w)s, 'maker-' || %(w)s
    || '/s1-' || %(w)s, 'site-' || %(w)s, '2026-01-01', 'installer-' || %(w)s);

-- table: person
INSERT INTO person (tenant, key) VALUES ('gas_company-' || %(w)s, 'p');

-- table: contact
INSERT INTO contact (tenant, person, channel) VALUES ('gas_company-' || %(w)s, 'p', 'sms');

-- table: site_role
INSERT INTO site_role (tenant, person, site, role) VALUES ('gas_company-' || %(w)s, 'p', 'site-' || %(w)s,
    'owner');

-- table: tenant_key
INSERT INTO tenant_key SELECT k || '-' || %(w)s, 1, '', now()
    FROM unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k;

-- table: request_key
INSERT INTO request_key (id, at) VALUES ('-' || %(w)s, now());

-- table: registry_outbox
INSERT INTO registry_outbox (number, sha256, body) VALUES (%(no)s, '-' || %(w)s, '');

-- table: device_latest
INSERT INTO device_latest (ts, received, seq, flags, quality, device_no, boot, valve, valve_cause) VALUES
    (now(), now(), 1, 0, 0, %(no)s * 10 + 1, 0, 0, 0);

-- table: alarm
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, incident) VALUES
    ('al-' || %(w)s, 'r', %(no)s * 10 + 1, 'site-' || %(w)s, 1, 1, now(), now(), now(), 'in-' || %(w)s);

-- table: alarm_event
INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment) VALUES ('e', %(no)s, 0,
    'al-' || %(w)s, now(), 'raised', 1, 'somebody', 'words');

-- table: wanted
INSERT INTO wanted (wanted, device_no, epoch, reason, since) VALUES ('w-' || %(w)s, %(no)s * 10 + 2, 1,
    'gas', now());

-- table: command
INSERT INTO command (command, wanted, device_no, epoch, attempt, requested, expires, reason) VALUES ('c-' ||
    %(w)s, 'w-' || %(w)s, %(no)s * 10 + 2, 1, 1, now(), now(), 'gas');

-- table: command_step
INSERT INTO command_step (engine, cycle, n, command, wanted, at, step) VALUES ('e', %(no)s, 1, 'c-' ||
    %(w)s, 'w-' || %(w)s, now(), 'sent');

-- table: incident
INSERT INTO incident (incident, scope, key, priority, opened, changed) VALUES ('in-' || %(w)s, 'site',
    'site-' || %(w)s, 1, now(), now());

-- table: incident_event
INSERT INTO incident_event (engine, cycle, n, incident, at, change, priority, alarm) VALUES ('e', %(no)s, 2,
    'in-' || %(w)s, now(), 'opened', 1, 'al-' || %(w)s);

-- table: permit
INSERT INTO permit (permit, device_no, state, requested) VALUES ('pe-' || %(w)s, %(no)s * 10 + 2, 'x',
    now());

-- table: permit_event
INSERT INTO permit_event (engine, cycle, n, permit, device_no, at, state, epoch) VALUES ('e', %(no)s, 3,
    'pe-' || %(w)s, %(no)s * 10 + 2, now(), 'x', 1);

-- table: shut_off_held
INSERT INTO shut_off_held (engine, cycle, n, at, rule, device_no, alarm, change) VALUES ('e', %(no)s, 4,
    now(), 'r', %(no)s * 10 + 2, 'al-' || %(w)s, 'held');

-- table: answer
INSERT INTO answer (engine, cycle, n, id, at, accepted) VALUES ('e', %(no)s, 5, 'x-' || %(w)s, now(), true);

-- table: follower_cursor
INSERT INTO follower_cursor (engine, follower, cycle) VALUES ('e-' || %(w)s, 'storage', 1);

-- table: source_count
INSERT INTO source_count VALUES ('e-' || %(w)s, 's', 1, 1, 0, 0);

-- table: quarantine
INSERT INTO quarantine (origin, engine, cycle, n, received, source, device_no, reason, raw) VALUES
    ('engine', 'e-' || %(w)s, 1, 1, now(), 's', 1, 'r', '');

-- table: quarantine_dropped
INSERT INTO quarantine_dropped VALUES ('o-' || %(w)s, 1);

-- table: reading_day
INSERT INTO reading_day VALUES (date '2025-12-31' + %(no)s, 1);

-- table: rollup_due
INSERT INTO rollup_due (level, bucket, device_no) VALUES ('1m', now(), %(no)s);

-- table: account
INSERT INTO account (account, login, created) SELECT replace(k, '_', '') || 'ofworld' || %(w)s, replace(k,
    '_', '') || '-' || %(w)s, now() FROM unnest(ARRAY['gas_company', 'vendor', 'installer',
    'property_manager', 'regulator']) k;

-- table: membership
INSERT INTO membership (account, role, enterprise) SELECT replace(k, '_', '') || 'ofworld' || %(w)s, CASE k
    WHEN 'gas_company' THEN 'operator' ELSE k END, k || '-' || %(w)s FROM unnest(ARRAY['gas_company',
    'vendor', 'installer', 'property_manager', 'regulator']) k;

-- table: session
INSERT INTO session (session, account, secret_sha256, how, began, expires) SELECT 'se' || account, account,
    md5(account) || md5(account), 'password', now(), now() FROM account WHERE account LIKE '%%ofworld' ||
    %(w)s;

-- table: password_link
INSERT INTO password_link (secret_sha256, account, made, expires) SELECT md5(account) || md5(account),
    account, now(), now() FROM account WHERE account LIKE '%%ofworld' || %(w)s;

-- table: api_key
INSERT INTO api_key (key, secret_sha256, role, enterprise, scopes, made, made_by, expires) SELECT
    left(md5(account), 12), md5(account) || md5(account), role, enterprise, '{read_alarms}', now(), '',
    now() FROM membership WHERE enterprise LIKE '%%-' || %(w)s;

-- table: audit_entry
SELECT davy_record(ARRAY[k || '-' || %(w)s], ARRAY[1], ARRAY['login'], ARRAY['x'], ARRAY['{}']) FROM
    unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k;

-- table: claim
INSERT INTO claim (claim, code_sha256, vendor, serial, model, offered, offered_by, expires, offerer, enterprise, installer)
    VALUES ('cl-' || %(w)s, md5(%(w)s) || md5(%(w)s), 'maker-' || %(w)s, 'x', 'model', now(), '', now() + interval '1 day',
    'vendor-' || %(w)s, 'gas_company-' || %(w)s, 'installer-' || %(w)s);

-- table: claim_use
INSERT INTO claim_use VALUES ('cl-' || %(w)s, now(), '', '');

-- table: claim_policy
INSERT INTO claim_policy VALUES ('gas_company-' || %(w)s, true);

-- table: device_model_version
INSERT INTO device_model_version (key, version, vendor, toml, sha256, uploaded, uploaded_by)
    VALUES ('m-' || %(w)s, 1, 'maker-' || %(w)s, '', repeat('0', 64), now(), '');

-- table: coverage_policy
INSERT INTO coverage_policy VALUES ('x', 'p', '{}') ON CONFLICT DO NOTHING;

-- table: coverage_report
INSERT INTO coverage_report (area, day, timezone, until_at, known, simulated, policy, policy_sha256, rules_sha256, code,
    sha256, computed) VALUES (%(area)s, now(), 'UTC', now(), now(), false, 'p', 'x', '', '', '', now());

-- table: coverage_cell
INSERT INTO coverage_cell SELECT max(report), %(area)s, '', '', 'gas_company-' || %(w)s, 'property_manager-' || %(w)s, '{}'
    FROM coverage_report;

-- table: coverage_gap
INSERT INTO coverage_gap (report, site, area, department, site_class, enterprise, manager, gap, late, devices)
    SELECT max(report), 'site-' || %(w)s, %(area)s, '', '', 'gas_company-' || %(w)s, 'property_manager-' || %(w)s, 1, false,
    '{}' FROM coverage_report;

-- table: coverage_fitted
INSERT INTO coverage_fitted SELECT max(report), %(area)s, '', 'gas_company-' || %(w)s, 'property_manager-' || %(w)s, NULL, 1
    FROM coverage_report;

-- table: coverage_plan
INSERT INTO coverage_plan VALUES (%(area)s, '', '2026-01-01', 1);

-- table: coverage_schedule
INSERT INTO coverage_schedule VALUES (%(area)s, 'p', 'UTC', false, now());

-- table: coverage_order
INSERT INTO coverage_order (area, day, timezone, policy, asked) VALUES (%(area)s, now(), 'UTC', 'p', now());

-- table: valve_closed
INSERT INTO valve_closed VALUES (%(no)s * 10 + 2, '2000-05-05', now());

-- table: catalogue_entry
INSERT INTO catalogue_entry VALUES ('vendor-' || %(w)s, %(area)s, 'offered', 'q', 'c', 's', now(), '');

-- table: catalogue_product
INSERT INTO catalogue_product VALUES ('vendor-' || %(w)s, %(area)s, 'm', 'n', 'detector', 'low', 1);

-- table: catalogue_publication
INSERT INTO catalogue_publication (area, at, by, gaps, reason) VALUES (%(area)s, now(), '', '{}', '');

-- table: complaint
INSERT INTO complaint VALUES (repeat('0', 18) || '-' || %(w)s, 'vendor-' || %(w)s, %(area)s, now(), '', '');

-- table: complaint_step
INSERT INTO complaint_step (number, at, state) VALUES (repeat('0', 18) || '-' || %(w)s, now(), 'received');

-- table: sharing_grant
INSERT INTO sharing_grant (grant_key, grantor, receiver, fields, begins, purpose, made, made_by) VALUES
    (repeat('0', 18) || '-' || %(w)s, 'gas_company-' || %(w)s, 'vendor-' || %(w)s, '{}', now(), 'p', now(), '');

-- table: webhook
INSERT INTO webhook (webhook, enterprise, grant_key, url, secret, place, made, made_by) VALUES
    (repeat('1', 18) || '-' || %(w)s, 'vendor-' || %(w)s, repeat('0', 18) || '-' || %(w)s, 'u', '', '{}', now(), '');

-- table: webhook_delivery
INSERT INTO webhook_delivery (webhook, id, body, made) VALUES (repeat('1', 18) || '-' || %(w)s, 'i', 'b', now());

-- table: notice
INSERT INTO notice (at, kind, area) VALUES (now(), 'k', %(area)s);

-- table: response_promise
INSERT INTO response_promise (enterprise, since, arrived_s, place, said)
    VALUES ('gas_company-' || %(w)s, now() + INTERVAL '2 days', 1800, 'p', now());

-- table: scorecard
INSERT INTO scorecard (enterprise, kind, area, month, timezone, known, until_at, simulated, promises, code, sha256)
    SELECT kind || '-' || %(w)s, kind, %(area)s, '2026-01-01', 'UTC', now(), now(), false, '[]', '', ''
    FROM (VALUES ('gas_company'), ('vendor')) v(kind);

-- table: scorecard_cell
INSERT INTO scorecard_cell SELECT scorecard, area, enterprise, '{}' FROM scorecard WHERE enterprise LIKE '%%-' || %(w)s;

-- table: audit_vouched
INSERT INTO audit_vouched VALUES ('gas_company-' || %(w)s, 1);
