"""What leaves the engine store when nobody needs it any more. When that is, engine/store.py says (S4); here is how, a
little at a time, inside the transaction of whoever calls."""

import apsw

#: Answers kept at most, whatever their age (about 200 bytes each); then the oldest go.
MOST_ANSWERS = 500_000
ANSWERS_AT_ONCE = 50_000
#: Cycles whose decisions are removed at one go.
DECISIONS_AT_ONCE = 256


def drop_cycles(db: apsw.Connection, before: int) -> None:
    """Inputs and quarantine of cycles before this one."""
    db.execute("DELETE FROM cycle WHERE cycle < ?", (before,))
    db.execute("DELETE FROM quarantine WHERE cycle < ?", (before,))


def drop_answers(db: apsw.Connection, before_us: int, most: int) -> None:
    """Up to `most` answers that are older."""
    db.execute("DELETE FROM answer WHERE id IN (SELECT id FROM answer WHERE at < ? LIMIT ?)", (before_us, most))


def cap_answers(db: apsw.Connection) -> None:
    """The oldest answers beyond MOST_ANSWERS, some at a time. Counts them all: not for every commit."""
    kept = db.execute("SELECT count(*) FROM answer").get
    assert isinstance(kept, int)
    surplus = min(kept - MOST_ANSWERS, ANSWERS_AT_ONCE)
    if surplus > 0:
        db.execute("DELETE FROM answer WHERE id IN (SELECT id FROM answer ORDER BY at LIMIT ?)", (surplus,))


def drop_decisions(db: apsw.Connection, before_cycle: int, before_us: int) -> None:
    """Decisions of cycles that are both: before this cycle, and older. The last one gone is written down for feeds."""
    gone = db.execute(
        "DELETE FROM decided WHERE cycle IN (SELECT cycle FROM decided WHERE cycle < ? AND now < ?"
        " ORDER BY cycle LIMIT ?) RETURNING cycle",
        (before_cycle, before_us, DECISIONS_AT_ONCE),
    ).fetchall()
    if gone:
        last_gone = str(max(cycle for (cycle,) in gone if isinstance(cycle, int)))
        db.execute("UPDATE meta SET value = ? WHERE key = 'decisions_gone'", (last_gone,))


def drop_documents(db: apsw.Connection, before_cycle: int) -> None:
    """Registries and rules that were replaced before this cycle."""
    db.execute("DELETE FROM document WHERE superseded < ?", (before_cycle,))
