-- Where a device stands on a bus: a gateway's URL, or the unit and channel behind it. Empty: it connects to us.
ALTER TABLE device ADD COLUMN address text NOT NULL DEFAULT '';

-- What people need to know beyond the rule's title, and when something is expected (NULL: nothing).
ALTER TABLE alarm ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN expected timestamptz;

-- A valve that sleeps hears a command by then at the latest; NULL: it hears at once.
ALTER TABLE wanted ADD COLUMN hears_by timestamptz;
