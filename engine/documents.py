"""The documents that an engine store holds: the registry with the changes of it since, and the rules. Inside the
transaction of whoever calls; when a document goes, engine/store.py says (S4, S6)."""

from typing import Protocol

import apsw

from devices.registry_book import fold
from devices.sites import decode_change, decode_registry, encode_registry

#: Kinds of documents: a registry, a change of it, a rule pack.
REGISTRY, REGISTRY_CHANGE, RULES = "registry", "registry_change", "rules"


class Named(Protocol):
    """See engine.store.Document."""

    @property
    def kind(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def number(self) -> int: ...


def take_document(db: apsw.Connection, doc: Named, cycle: int) -> None:
    """`doc` is in force from now on; what it takes the place of is superseded, and goes when nobody can replay it."""
    if doc.kind != REGISTRY_CHANGE:
        _supersede(db, cycle, "SELECT sha256 FROM current WHERE kind = ?", (doc.kind,))
    if doc.kind == REGISTRY:
        _supersede(db, cycle, "SELECT sha256 FROM registry_change", ())
        db.execute("DELETE FROM registry_change")
    db.execute(
        "INSERT INTO document VALUES (?, ?, ?, NULL) ON CONFLICT DO UPDATE SET superseded = NULL",
        (doc.sha256, doc.kind, doc.body),
    )
    if doc.kind == REGISTRY_CHANGE:
        db.execute("INSERT INTO registry_change VALUES (NULL, ?)", (doc.sha256,))
        db.execute("UPDATE current SET number = ? WHERE kind = ?", (doc.number, REGISTRY))
    else:
        db.execute("INSERT OR REPLACE INTO current VALUES (?, ?, ?)", (doc.kind, doc.sha256, doc.number))


def registry_in_force(db: apsw.Connection) -> bytes | None:
    """The document and the changes of it since, as one; None before there is a registry."""
    row = db.execute(
        "SELECT d.body FROM current c JOIN document d USING (sha256) WHERE c.kind = ?", (REGISTRY,)
    ).fetchone()
    if row is None:
        return None
    base = bytes(row[0])
    if not db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'registry_change'").get:
        return base
    query = "SELECT d.body FROM registry_change JOIN document d USING (sha256) ORDER BY n"
    changes = [decode_change(bytes(body)) for (body,) in db.execute(query)]
    return encode_registry(fold(decode_registry(base), changes)) if changes else base


def _supersede(db: apsw.Connection, cycle: int, which: str, values: tuple[str, ...]) -> None:
    db.execute(f"UPDATE document SET superseded = ? WHERE sha256 IN ({which})", (cycle, *values))  # noqa: S608  ours
