"""The engine store: one SQLite file that holds every admitted input, every decision, and what the engine must know
to start without anybody's help.

S1  `commit` returns only after the cycle is on disk: one transaction, WAL, synchronous=FULL, one fsync (G1).
S2  A cycle is there whole or not at all: readings, decisions, quarantine, counters, documents and answers share the
    transaction (G2). Cycles are numbered without a gap.
S3  One engine writes: an exclusive lock on `<store>.lock` is held for life. Followers read through `engine.journal`.
S4  Nothing is trimmed that a registered follower has not passed, or that the older of the two kept checkpoints does not
    hold; a document goes when no kept cycle or checkpoint can ask for it.
S5  On opening, the write-ahead log is moved into the file and fsynced before a new cycle is accepted: a frame that an
    earlier process could not fsync is either really on disk afterwards or the opening fails. (On a full disk there may
    be no room for the move; then the engine starts all the same, because it can still protect.)
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import apsw
import structlog

from engine.documents import take_document
from engine.records import (
    Inputs,
    Quarantined,
    SourceCount,
    encode_decisions,
    encode_inputs,
)
from engine.trimming import cap_answers, drop_answers, drop_cycles, drop_decisions, drop_documents
from rules.decisions import Decision

_log = structlog.get_logger()

#: Raised when the tables change; a store of another format is refused, never guessed at.
FORMAT = 1
#: Measured with 4, 8 and 16 KiB: small commits write fewer bytes with small pages (p50 0.21, 0.21, 0.25 ms), a cycle of
#: 8,192 readings is quicker with large ones (0.62, 0.57, 0.61 ms).
PAGE_BYTES = 8_192
#: How long the writer waits while the write-ahead log is being reset by the checkpointing thread.
BUSY_MS = 10_000
#: Decisions stay this long for feeds that resume, whatever the followers have passed.
DECISIONS_KEPT_US = 24 * 3600 * 1_000_000
#: In the reserve, where room counts, so long.
DECISIONS_KEPT_IN_RESERVE_US = 3600 * 1_000_000
#: Answers to instructions and pushes stay a day too: a repeated id is answered, not done again.
ANSWERS_KEPT_US = DECISIONS_KEPT_US
#: Cycles removed in one commit. Above 1, so that trimming is faster than writing; small, so that no commit is slow.
TRIM_PER_COMMIT = 4
#: Cycles removed at one go while the store is in its reserve.
RELIEVE_CYCLES = 256
#: Less than this free: as good as full. A busy cycle is below 1 MiB.
NO_ROOM_BYTES = 2 * 1024 * 1024
#: Free disk space below which the store counts as full is a quarter of its reserve, and at most this.
MOST_DISK_FLOOR_BYTES = 256 * 1024 * 1024

_SCHEMA = f"""
PRAGMA page_size = {PAGE_BYTES};
PRAGMA journal_mode = WAL;
BEGIN IMMEDIATE;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cycle (cycle INTEGER PRIMARY KEY, readings INTEGER NOT NULL, inputs BLOB NOT NULL);
CREATE TABLE decided (cycle INTEGER PRIMARY KEY, now INTEGER NOT NULL, decisions BLOB NOT NULL);
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY AUTOINCREMENT, cycle INTEGER NOT NULL, received INTEGER NOT NULL,
    source TEXT NOT NULL, device_no INTEGER NOT NULL, reason TEXT NOT NULL, raw BLOB NOT NULL);
CREATE INDEX quarantine_cycle ON quarantine (cycle);
CREATE TABLE source (
    source TEXT PRIMARY KEY, received INTEGER NOT NULL, stored INTEGER NOT NULL,
    duplicate INTEGER NOT NULL, quarantined INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE document (sha256 TEXT PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL, superseded INTEGER);
CREATE TABLE current (kind TEXT PRIMARY KEY, sha256 TEXT NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE follower (name TEXT PRIMARY KEY, cycle INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE answer (id TEXT PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX answer_at ON answer (at);
"""
#: Changes of the registry since the document in force, in order (S6). Not in stores of before there were any.
_CHANGES = "CREATE TABLE IF NOT EXISTS registry_change (n INTEGER PRIMARY KEY, sha256 TEXT NOT NULL)"

#: Followers every store has from birth, so that nothing is trimmed before they first come (S4).
FOLLOWERS = ("storage",)


class StoreRefused(RuntimeError):
    """The store cannot be used as it is: another engine holds it, another format, or a broken file. Permanent: the
    text says what to do."""


class StoreOfAnotherVersion(StoreRefused):
    """Its tables are not those this Davy reads."""


class StoreBusy(StoreRefused):
    """Another engine holds it."""


class CommitFailed(OSError):
    """A cycle could not be made durable (disk full, I/O error). The engine sends pending CLOSEs and ends; it is not
    retried on the same handle, because after a failed fsync the kernel may have forgotten the pages."""


@dataclass(frozen=True, slots=True)
class Document:
    """A registry, a change of it, or a rule pack. `number` is the registry's outbox number (0 for rules)."""

    kind: str
    sha256: str
    body: bytes
    number: int = 0


def document(kind: str, body: bytes, number: int = 0) -> Document:
    return Document(kind, hashlib.sha256(body).hexdigest(), body, number)


class Store:
    """See the invariants above. Open it once per process; every method is called on the engine's thread."""

    def __init__(self, path: Path, *, cap_bytes: int, reserve_pct: int = 10) -> None:
        """Raises StoreRefused, or OSError when the folder cannot be written."""
        self.path = path
        self.cap_bytes = cap_bytes
        self._reserve_from = cap_bytes * (100 - reserve_pct) // 100
        self._lock = _lock(path)
        try:
            self._db = apsw.Connection(str(path))
            self._db.set_busy_timeout(BUSY_MS)
            self._keep_log()
            self._prepare()
        except apsw.Error as wrong:
            self._lock.close()
            raise _opening(path, wrong) from wrong
        self.engine = self._meta("engine")
        self.last_cycle = self._number("SELECT value FROM meta WHERE key = 'cycle'")
        self.last_now = self._number("SELECT value FROM meta WHERE key = 'now'")
        #: The time of its first cycle (microseconds UTC); 0 while there is none, and of stores from before it was kept.
        self.began = self._number("SELECT coalesce(max(value), 0) FROM meta WHERE key = 'began'")
        self.oldest = self._number("SELECT coalesce(min(cycle), 0) FROM cycle")
        self.checkpointed = 0
        self.readings_written = 0
        self.counts = {row[0]: SourceCount(*row) for row in self._db.execute("SELECT * FROM source")}
        self.followers = {str(name): int(cycle) for name, cycle in self._db.execute("SELECT * FROM follower")}
        self.used_bytes = self._used()

    def _prepare(self) -> None:
        made = self._db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").get
        if not made:
            self._db.execute(_SCHEMA).fetchall()  # statements run only as their rows are read
            rows = [("format", str(FORMAT)), ("engine", secrets.token_hex(8)), ("cycle", "0"), ("now", "0")]
            rows.append(("decisions_gone", "-1"))
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            self._db.executemany("INSERT INTO follower VALUES (?, 0)", [(name,) for name in FOLLOWERS])
            self._db.execute("COMMIT")
        if self._meta("format") != str(FORMAT):
            found = self._meta("format")
            raise StoreOfAnotherVersion(
                f"{self.path} has format {found}, this Davy reads {FORMAT}; start it with its own"
            )
        self._db.execute(_CHANGES)
        for pragma in ("synchronous = FULL", "wal_autocheckpoint = 0", "journal_size_limit = 67108864"):
            self._db.execute(f"PRAGMA {pragma}")
        try:
            # RESTART, not TRUNCATE: the log keeps its blocks, so that a full disk still takes small commits.
            busy = self._db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()[0][0]
        except apsw.FullError:
            return  # the log stays where it is, whole and readable; commits will say whether there is room
        if busy:
            raise StoreBusy(f"somebody else is reading {self.path} and does not let go; stop them first")
        _fsync_folder(self.path.parent)

    def _keep_log(self) -> None:
        """The log's files stay when we close: on a disk that has filled up meanwhile they could not be made again, and
        an engine that cannot open its store protects nobody."""
        on = ctypes.c_int(1)
        self._db.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(on))

    # ---- writing ----

    def commit(
        self,
        inputs: Inputs,
        decisions: Sequence[Decision],
        *,
        readings: int,
        quarantined: Sequence[Quarantined] = (),
        documents: Sequence[Document] = (),
        answers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Make one cycle durable and return its number. Raises CommitFailed; then nothing of it is there."""
        cycle = self.last_cycle + 1
        counts = {count.source: _sum(self.counts.get(count.source), count) for count in inputs.counts}
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO cycle VALUES (?, ?, ?)", (cycle, readings, encode_inputs(inputs)))
            if decisions:
                body = encode_decisions(tuple(decisions))
                db.execute("INSERT INTO decided VALUES (?, ?, ?)", (cycle, inputs.now, body))
            for item in quarantined:
                db.execute(
                    "INSERT INTO quarantine VALUES (NULL, ?, ?, ?, ?, ?, ?)",
                    (cycle, item.received, item.source, item.device_no, item.reason, item.raw),
                )
            for total in counts.values():
                db.execute(
                    "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)",
                    (total.source, total.received, total.stored, total.duplicate, total.quarantined),
                )
            for doc in documents:
                take_document(db, doc, cycle)
            for answer_id, body in answers:
                db.execute("INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (answer_id, inputs.now, body))
            db.execute("UPDATE meta SET value = ? WHERE key = 'cycle'", (str(cycle),))
            db.execute("UPDATE meta SET value = ? WHERE key = 'now'", (str(inputs.now),))
            if cycle == 1:
                db.execute("INSERT INTO meta VALUES ('began', ?)", (str(inputs.now),))
            oldest = self._trim(cycle, inputs.now, len(answers))
            db.execute("COMMIT")
        except apsw.Error as failed:
            raise CommitFailed(f"cycle {cycle} could not be written to {self.path}: {failed}") from failed
        self.last_cycle, self.last_now, self.oldest = cycle, inputs.now, oldest
        self.began = self.began or (inputs.now if cycle == 1 else 0)
        self.readings_written += readings
        self.counts |= counts
        self.used_bytes = self._used()
        return cycle

    def keep_as_one(self, doc: Document) -> None:
        """`doc` is the registry in force as one document: it stands for the one before and all changes since (S6).
        Raises CommitFailed."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            # A checkpoint of this very cycle may still name what was before.
            take_document(self._db, doc, self.last_cycle + 1)
            self._db.execute("COMMIT")
        except apsw.Error as failed:
            raise CommitFailed(f"the registry could not be written to {self.path}: {failed}") from failed

    def _trim(self, cycle: int, now: int, new_answers: int) -> int:
        """Delete a little of what nobody needs any more (S4), more than one commit adds; returns the oldest cycle
        left."""
        oldest = self.oldest or cycle
        until = min(oldest + TRIM_PER_COMMIT, self._needed())
        if until > oldest:
            drop_cycles(self._db, until)
            oldest = until
        if new_answers or cycle % 64 == 0:
            drop_answers(self._db, now - ANSWERS_KEPT_US, 2 * new_answers + 64)
        if cycle % 1024 == 0:
            cap_answers(self._db)
        if cycle % 64 == 0:
            drop_decisions(self._db, oldest, now - DECISIONS_KEPT_US)
            drop_documents(self._db, oldest)
        return oldest

    def relieve(self) -> None:
        """Make room in a transaction of its own: for the reserve, where few commits come by to trim on the way. Where
        even that finds no room, nothing is lost: the next one tries again."""
        until = max(self.oldest, min(self.oldest + RELIEVE_CYCLES, self._needed(), self.last_cycle))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            drop_cycles(self._db, until)
            drop_decisions(self._db, until, self.last_now - DECISIONS_KEPT_IN_RESERVE_US)
            drop_answers(self._db, self.last_now - DECISIONS_KEPT_IN_RESERVE_US, RELIEVE_CYCLES)
            drop_documents(self._db, until)
            self._db.execute("COMMIT")
        except apsw.Error as failed:
            if not self._db.get_autocommit():
                self._db.execute("ROLLBACK")
            _log.warning("the store could not be trimmed", why=str(failed))
            return
        self.oldest = until
        self.used_bytes = self._used()

    def _needed(self) -> int:
        """The first cycle that somebody may still read (S4)."""
        return min([self.checkpointed, *self.followers.values()]) + 1

    def passed(self, follower: str, cycle: int) -> None:
        """A follower has everything up to `cycle`; registers it on first sight. Never goes back. Raises ValueError for
        a cycle that this store does not have yet: the follower has seen another, newer store."""
        if cycle > self.last_cycle:
            raise ValueError(
                f"follower {follower} says it passed cycle {cycle}, but this store ends at {self.last_cycle}"
            )
        if self.followers.get(follower, -1) >= cycle:
            return
        try:
            self._db.execute("INSERT OR REPLACE INTO follower VALUES (?, ?)", (follower, cycle))
        except apsw.Error as failed:
            raise CommitFailed(f"follower {follower} could not be noted in {self.path}: {failed}") from failed
        self.followers[follower] = cycle

    # ---- reading ----

    def current(self, kind: str) -> Document | None:
        """The rules in force; of the registry the document that the changes since stand on (S6)."""
        row = self._db.execute(
            "SELECT d.kind, d.sha256, d.body, c.number FROM current c JOIN document d USING (sha256) WHERE c.kind = ?",
            (kind,),
        ).fetchone()
        return Document(*row) if row else None

    def body(self, sha256: str) -> bytes:
        """A document's bytes. Raises KeyError when the store never had it."""
        row = self._db.execute("SELECT body FROM document WHERE sha256 = ?", (sha256,)).fetchone()
        if row is None:
            raise KeyError(sha256)
        return bytes(row[0])

    def answer(self, answer_id: str) -> bytes | None:
        """What an instruction or push with this id was answered before, or None."""
        row = self._db.execute("SELECT body FROM answer WHERE id = ?", (answer_id,)).fetchone()
        return bytes(row[0]) if row else None

    @property
    def in_reserve(self) -> bool:
        """True while only alarm-relevant readings are taken (G4)."""
        return self.used_bytes >= self._reserve_from or self._disk_short()

    @property
    def no_room(self) -> bool:
        """The disk is as good as full: a commit may fail, so nothing is committed that can wait."""
        return self._free_bytes() < NO_ROOM_BYTES

    def _disk_short(self) -> bool:
        """The file system itself is nearly full: act as if the cap were reached, before a commit fails."""
        return self._free_bytes() < min((self.cap_bytes - self._reserve_from) // 4, MOST_DISK_FLOOR_BYTES)

    def _free_bytes(self) -> int:
        stat = os.statvfs(self.path.parent)
        return stat.f_bavail * stat.f_frsize

    def _used(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * PAGE_BYTES

    def _meta(self, key: str) -> str:
        return str(self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get)

    def _number(self, sql: str) -> int:
        value = self._db.execute(sql).get
        assert isinstance(value, int | str)
        return int(value)

    def close(self) -> None:
        """Let go. What is in the log is durable already, so a disk that refuses here takes nothing away."""
        with contextlib.suppress(apsw.Error):
            self._db.close()
        self._lock.close()


def _sum(before: SourceCount | None, more: SourceCount) -> SourceCount:
    if before is None:
        return more
    return SourceCount(
        more.source,
        before.received + more.received,
        before.stored + more.stored,
        before.duplicate + more.duplicate,
        before.quarantined + more.quarantined,
    )


def _lock(path: Path) -> IO[str]:
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        lock.close()
        raise StoreBusy(f"another engine is using {path}; stop it first") from held
    return lock


def _opening(path: Path, wrong: apsw.Error) -> Exception:
    if isinstance(wrong, apsw.FullError | apsw.IOError | apsw.CantOpenError | apsw.ReadOnlyError):
        return OSError(f"the engine store {path} cannot be opened for writing: {wrong}")
    return StoreRefused(f"the engine store {path} is not usable: {wrong}; keep the file and restore a copy")


def _fsync_folder(folder: Path) -> None:
    """Only the folder: SQLite has fsynced its files. (Opening and closing the database file here would drop the locks
    that this process holds on it, and a stranger's SQLite could then take our log away.)"""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
