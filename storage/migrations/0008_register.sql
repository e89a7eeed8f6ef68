-- The parties of the platform: its tenants. `vendor`: the first word of its devices' identities.
CREATE TABLE enterprise (
    key     text PRIMARY KEY,
    kind    text NOT NULL CHECK (kind IN ('gas_company', 'vendor', 'installer', 'property_manager', 'regulator')),
    name    text NOT NULL DEFAULT '',
    name_en text NOT NULL DEFAULT '',
    uscc    text NOT NULL DEFAULT '',
    vendor  text NOT NULL DEFAULT '',
    area    text NOT NULL DEFAULT '',
    contact text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX enterprise_vendor ON enterprise (vendor) WHERE vendor <> '';
-- Who was named by a site before there was a table of them.
INSERT INTO enterprise (key, kind) SELECT DISTINCT enterprise, 'gas_company' FROM site WHERE enterprise <> '';

-- Whose a site is: enterprise (the gas company), manager (the property manager), area (a prefix is the wider area).
ALTER TABLE site ADD COLUMN manager text NOT NULL DEFAULT '';
CREATE INDEX site_enterprise ON site (enterprise, key);
CREATE INDEX site_manager ON site (manager, key) WHERE manager <> '';
CREATE INDEX site_area ON site (area text_pattern_ops, key);
