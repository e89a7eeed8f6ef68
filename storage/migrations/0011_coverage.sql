-- Coverage: who must have which safety device and really has it (devices/coverage.py), as of a day. A report is made of
-- cells, which add up, and of the gaps of single sites. Once it is published nothing of it changes: a correction is another
-- report that names it.

-- A policy as it was when a report was made by it, once for ever.
CREATE TABLE coverage_policy (
    sha256   text  PRIMARY KEY,
    policy   text  NOT NULL,
    document jsonb NOT NULL
);

-- until_at: readings up to there counted. known: the register as it was recorded then. rules_sha256: the pack that was in
-- force, empty where none is known. sha256: of the report's own figures (storage/coverage_reports.py). due, phase: what
-- schedule asked for it; missed: it was made only long after.
CREATE TABLE coverage_report (
    report        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area          text        NOT NULL,
    day           date        NOT NULL,
    timezone      text        NOT NULL,
    until_at      timestamptz NOT NULL,
    known         timestamptz NOT NULL,
    simulated     boolean     NOT NULL,
    policy        text        NOT NULL,
    policy_sha256 text        NOT NULL REFERENCES coverage_policy,
    rules_sha256  text        NOT NULL,
    code          text        NOT NULL,
    sha256        text        NOT NULL,
    computed      timestamptz NOT NULL,
    due           timestamptz,
    phase         text        NOT NULL DEFAULT '',
    missed        boolean     NOT NULL DEFAULT false,
    corrects      bigint      REFERENCES coverage_report,
    published     timestamptz,
    published_by  text        NOT NULL DEFAULT ''
);
CREATE INDEX ON coverage_report (area text_pattern_ops, day DESC, report DESC);
CREATE INDEX ON coverage_report (corrects) WHERE corrects IS NOT NULL;

-- counts: devices/coverage_counts.py, Counts. No row of two sites is ever split between two cells.
CREATE TABLE coverage_cell (
    report     bigint NOT NULL REFERENCES coverage_report ON DELETE CASCADE,
    area       text   NOT NULL,
    department text   NOT NULL,
    site_class text   NOT NULL,
    enterprise text   NOT NULL,
    manager    text   NOT NULL,
    counts     jsonb  NOT NULL,
    PRIMARY KEY (report, area, department, site_class, enterprise, manager)
);

-- A site that is not covered; gap: its reasons as bits (devices/coverage_gaps.py), which keep their meaning. devices: those
-- that the reasons are of.
CREATE TABLE coverage_gap (
    report     bigint  NOT NULL REFERENCES coverage_report ON DELETE CASCADE,
    site       text    NOT NULL,
    area       text    NOT NULL,
    department text    NOT NULL,
    site_class text    NOT NULL,
    enterprise text    NOT NULL,
    manager    text    NOT NULL,
    gap        bigint  NOT NULL,
    due        date,
    late       boolean NOT NULL,
    devices    text[]  NOT NULL,
    PRIMARY KEY (report, site)
);
CREATE INDEX ON coverage_gap (report, area text_pattern_ops, site);

-- How many sites had all that is asked of them since which month, of those that have it; month NULL: not known.
CREATE TABLE coverage_fitted (
    report     bigint  NOT NULL REFERENCES coverage_report ON DELETE CASCADE,
    area       text    NOT NULL,
    site_class text    NOT NULL,
    enterprise text    NOT NULL,
    manager    text    NOT NULL,
    month      date,
    sites      integer NOT NULL
);
CREATE INDEX ON coverage_fitted (report, area text_pattern_ops);

CREATE FUNCTION davy_keep_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published IS NOT NULL THEN
        RAISE EXCEPTION 'coverage report % is published: publish a correction beside it', OLD.report
            USING ERRCODE = 'check_violation';
    ELSIF TG_OP = 'UPDATE' AND (OLD.report, OLD.area, OLD.day, OLD.timezone, OLD.until_at, OLD.known, OLD.simulated,
        OLD.policy, OLD.policy_sha256, OLD.rules_sha256, OLD.code, OLD.sha256, OLD.computed) IS DISTINCT FROM
       (NEW.report, NEW.area, NEW.day, NEW.timezone, NEW.until_at, NEW.known, NEW.simulated,
        NEW.policy, NEW.policy_sha256, NEW.rules_sha256, NEW.code, NEW.sha256, NEW.computed) THEN
        RAISE EXCEPTION 'a coverage report is made once; make another' USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_stays BEFORE UPDATE OR DELETE ON coverage_report
    FOR EACH ROW EXECUTE FUNCTION davy_keep_published();

-- By statement, because a report has up to a million gaps.
CREATE FUNCTION davy_keep_published_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    of bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'figures of a coverage report never change' USING ERRCODE = 'check_violation';
    END IF;
    SELECT r.report INTO of FROM coverage_report r
        WHERE r.published IS NOT NULL AND r.report IN (SELECT DISTINCT c.report FROM changed c) LIMIT 1;
    IF of IS NOT NULL THEN
        RAISE EXCEPTION 'coverage report % is published: its figures stay', of USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DO $do$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['coverage_cell', 'coverage_gap', 'coverage_fitted'] LOOP
        EXECUTE format('CREATE TRIGGER published_stays_added AFTER INSERT ON %I REFERENCING NEW TABLE AS changed '
                       'FOR EACH STATEMENT EXECUTE FUNCTION davy_keep_published_parts()', part);
        EXECUTE format('CREATE TRIGGER published_stays_gone AFTER DELETE ON %I REFERENCING OLD TABLE AS changed '
                       'FOR EACH STATEMENT EXECUTE FUNCTION davy_keep_published_parts()', part);
        EXECUTE format('CREATE TRIGGER published_stays_same BEFORE UPDATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION davy_keep_published_parts()', part);
    END LOOP;
END $do$;

-- What people promised: so many sites of a class in a month. What they promised before is kept.
CREATE TABLE coverage_plan (
    area       text    NOT NULL,
    site_class text    NOT NULL,
    month      date    NOT NULL CHECK (extract(day FROM month) = 1),
    planned    integer NOT NULL CHECK (planned >= 0),
    PRIMARY KEY (area, site_class, month)
);
SELECT davy_keep_versions('coverage_plan', 'area', 'site_class', 'month');

-- Of which areas reports are due by their policy's schedule. done_at: what was due until then is ordered.
CREATE TABLE coverage_schedule (
    area      text        NOT NULL,
    policy    text        NOT NULL,
    timezone  text        NOT NULL,
    simulated boolean     NOT NULL DEFAULT false,
    done_at   timestamptz NOT NULL,
    set_by    text        NOT NULL DEFAULT '',
    PRIMARY KEY (area, policy)
);

-- A report that is asked for, by the schedule (due) or by somebody; the storage process makes it. ended NULL: not yet.
CREATE TABLE coverage_order (
    order_no  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area      text        NOT NULL,
    day       date        NOT NULL,
    timezone  text        NOT NULL,
    policy    text        NOT NULL,
    simulated boolean     NOT NULL DEFAULT false,
    asked     timestamptz NOT NULL,
    asked_by  text        NOT NULL DEFAULT '',
    due       timestamptz,
    phase     text        NOT NULL DEFAULT '',
    -- The register as recorded by then; NULL: by the end of the day.
    known     timestamptz,
    publish   boolean     NOT NULL DEFAULT false,
    corrects  bigint      REFERENCES coverage_report,
    begun     timestamptz,
    ended     timestamptz,
    report    bigint      REFERENCES coverage_report ON DELETE SET NULL,
    because   text        NOT NULL DEFAULT '',
    UNIQUE (area, policy, due)
);
CREATE INDEX ON coverage_order (order_no) WHERE ended IS NULL;

-- Something that somebody has to know and that is no alarm: a scheduled report was missed, could not be made. `area`:
-- whose regulator it concerns.
CREATE TABLE notice (
    notice bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL,
    kind   text        NOT NULL,
    area   text        NOT NULL DEFAULT '',
    body   jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX ON notice (at DESC);

-- On which days (UTC) each valve was seen closed, and when first (storage/valve_closings.py); of what was before this table,
-- as far as hours know it (3: ValvePosition.CLOSED).
CREATE TABLE valve_closed (
    device_no integer     NOT NULL,
    day       date        NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (device_no, day)
);
INSERT INTO valve_closed (device_no, day, at)
    SELECT device_no, (bucket AT TIME ZONE 'UTC')::date, min(bucket) FROM reading_1h WHERE valve = 3 GROUP BY 1, 2;

-- The catalogue of products that users may choose from, by area (seed: 武隆府办发〔2022〕5 号，附件 1，四（二）): who sells and
-- installs, what, at which price, with which service. An entry is offered by its vendor, admitted or removed by the area's
-- regulator; a removal keeps its reason, and is shown.
CREATE TABLE catalogue_entry (
    enterprise    text        NOT NULL REFERENCES enterprise,
    area          text        NOT NULL CHECK (area <> ''),
    state         text        NOT NULL CHECK (state IN ('offered', 'admitted', 'removed')),
    qualification text        NOT NULL,
    contact       text        NOT NULL,
    service       text        NOT NULL,
    changed       timestamptz NOT NULL,
    changed_by    text        NOT NULL,
    reason        text        NOT NULL DEFAULT '',
    words         text        NOT NULL DEFAULT '',
    PRIMARY KEY (enterprise, area),
    CONSTRAINT a_removal_has_its_reason CHECK (state <> 'removed' OR reason <> '')
);
CREATE INDEX ON catalogue_entry (area text_pattern_ops, enterprise);

CREATE TABLE catalogue_product (
    enterprise text          NOT NULL,
    area       text          NOT NULL,
    model      text          NOT NULL,
    name       text          NOT NULL,
    kind       text          NOT NULL CHECK (kind IN ('detector', 'self_closing_valve')),
    tier       text          NOT NULL CHECK (tier IN ('low', 'mid', 'high')),
    price_cny  numeric(10,2) NOT NULL CHECK (price_cny >= 0),
    service    text          NOT NULL DEFAULT '',
    PRIMARY KEY (enterprise, area, model),
    FOREIGN KEY (enterprise, area) REFERENCES catalogue_entry ON DELETE CASCADE
);

-- That an area's catalogue was published, with what it lacked then and why it was published all the same.
CREATE TABLE catalogue_publication (
    publication bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area        text        NOT NULL,
    at          timestamptz NOT NULL,
    by          text        NOT NULL,
    gaps        text[]      NOT NULL,
    reason      text        NOT NULL,
    CONSTRAINT gaps_have_a_reason CHECK (cardinality(gaps) = 0 OR reason <> '')
);
CREATE INDEX ON catalogue_publication (area, publication DESC);

-- A complaint about an entry, by anybody: followed by its number, which cannot be guessed. Nobody is asked who he is.
CREATE TABLE complaint (
    number     text        PRIMARY KEY CHECK (length(number) = 20),
    enterprise text        NOT NULL REFERENCES enterprise,
    area       text        NOT NULL,
    received   timestamptz NOT NULL,
    subject    text        NOT NULL,
    words      text        NOT NULL
);
CREATE INDEX ON complaint (area text_pattern_ops, received DESC);

CREATE TABLE complaint_step (
    step   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number text        NOT NULL REFERENCES complaint,
    at     timestamptz NOT NULL,
    state  text        NOT NULL CHECK (state IN ('received', 'examined', 'upheld', 'rejected')),
    by     text        NOT NULL DEFAULT '',
    answer text        NOT NULL DEFAULT ''
);
CREATE INDEX ON complaint_step (number, step);

-- What a gas company published as its promise of response (seed 003, 9.1.1), by the day from which it holds; seconds from
-- the alarm. There is none by default. One that is said holds from that day at the earliest, so that nobody is judged by
-- what was written afterwards.
CREATE TABLE response_promise (
    enterprise     text        NOT NULL REFERENCES enterprise,
    since          date        NOT NULL,
    acknowledged_s integer     CHECK (acknowledged_s > 0),
    dispatched_s   integer     CHECK (dispatched_s > 0),
    arrived_s      integer     CHECK (arrived_s > 0),
    closed_s       integer     CHECK (closed_s > 0),
    place          text        NOT NULL CHECK (place <> ''),
    said           timestamptz NOT NULL,
    said_by        text        NOT NULL DEFAULT '',
    PRIMARY KEY (enterprise, since),
    CONSTRAINT something_is_promised CHECK (num_nonnulls(acknowledged_s, dispatched_s, arrived_s, closed_s) > 0),
    CONSTRAINT nobody_promises_backwards CHECK (since >= (said AT TIME ZONE 'Asia/Shanghai')::date)
);

-- What an enterprise did in a month, within an area (empty: everywhere); devices/scorecard.py. known: the register as it was
-- recorded then; until_at: what happened before it counts. promises: those that held in the month, as they were. A draft may
-- be made anew; what is published stays, and a correction is another card that names it.
CREATE TABLE scorecard (
    scorecard    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enterprise   text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('gas_company', 'vendor')),
    area         text        NOT NULL,
    month        date        NOT NULL CHECK (extract(day FROM month) = 1),
    timezone     text        NOT NULL,
    known        timestamptz NOT NULL,
    until_at     timestamptz NOT NULL,
    simulated    boolean     NOT NULL,
    promises     jsonb       NOT NULL,
    code         text        NOT NULL,
    sha256       text        NOT NULL,
    corrects     bigint      REFERENCES scorecard,
    published    timestamptz,
    published_by text        NOT NULL DEFAULT ''
);
CREATE INDEX ON scorecard (enterprise, month DESC, scorecard DESC);
CREATE INDEX ON scorecard (area text_pattern_ops, month DESC);
CREATE UNIQUE INDEX scorecard_published_once ON scorecard (enterprise, area, month, simulated)
    WHERE published IS NOT NULL AND corrects IS NULL;
CREATE UNIQUE INDEX scorecard_corrected_once ON scorecard (corrects) WHERE published IS NOT NULL;

-- counts: devices/scorecard.py, Tally; of the sites of one area. They add up.
CREATE TABLE scorecard_cell (
    scorecard  bigint NOT NULL REFERENCES scorecard ON DELETE CASCADE,
    area       text   NOT NULL,
    enterprise text   NOT NULL,
    counts     jsonb  NOT NULL,
    PRIMARY KEY (scorecard, area)
);

CREATE FUNCTION davy_keep_scorecard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.published IS NOT NULL THEN
        RAISE EXCEPTION 'scorecard % is published: publish a correction beside it', OLD.scorecard
            USING ERRCODE = 'check_violation';
    ELSIF TG_OP = 'UPDATE' AND to_jsonb(OLD) - '{published,published_by}'::text[]
        <> to_jsonb(NEW) - '{published,published_by}'::text[] THEN
        RAISE EXCEPTION 'a scorecard is made once; make another' USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER published_stays BEFORE UPDATE OR DELETE ON scorecard FOR EACH ROW EXECUTE FUNCTION davy_keep_scorecard();
CREATE FUNCTION davy_keep_scorecard_cell() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    cell record := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    IF TG_OP = 'UPDATE' OR EXISTS (SELECT FROM scorecard s WHERE s.scorecard = cell.scorecard AND s.published IS NOT NULL) THEN
        RAISE EXCEPTION 'figures of scorecard % stay', cell.scorecard USING ERRCODE = 'check_violation';
    END IF;
    RETURN cell;
END $$;
CREATE TRIGGER figures_stay BEFORE INSERT OR UPDATE OR DELETE ON scorecard_cell
    FOR EACH ROW EXECUTE FUNCTION davy_keep_scorecard_cell();
