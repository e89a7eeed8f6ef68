"""How quickly an export of the record is verified: 1,000,000 entries beside the ceiling, which is SHA-256 of the same
lines and nothing else, in the same run."""

import hashlib
import tempfile
import time
from pathlib import Path

from access.audit_chain import FIRST_PREV, Entry, canonical_json
from access.audit_heads import Head, SignedHeads, Signer, next_document
from access.audit_verify import verify_export
from davy.bench.figure import Figure, Run

ENTRIES = 1_000_000
PROMISED_S = 10.0
_T0 = 1_764_633_600_000_000


def verifying(runs: int, where: Path | None, entries: int = ENTRIES) -> Figure:
    """Seconds for `entries` entries, read from a file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    with tempfile.TemporaryDirectory(dir=where) as folder:
        path = Path(folder) / "record.jsonl"
        last = _write(path, entries)
        heads = [Signer(Ed25519PrivateKey.generate()).sign(next_document(None, last.at, (_head(last),)))]
        measured = tuple(_run(path, heads, entries) for _ in range(runs))
    return Figure(
        name=f"verify {entries:,} entries of the record",
        unit="s",
        runs=measured,
        at_most=PROMISED_S,
        ceiling_of="SHA-256 of the same lines",
    )


def _run(path: Path, heads: list[SignedHeads], entries: int) -> Run:
    began = time.perf_counter()
    with path.open("rb") as lines:
        found = verify_export(lines, heads)
    took_s = time.perf_counter() - began
    assert found.sound, found.faults
    assert found.covered_to == entries
    began = time.perf_counter()
    with path.open("rb") as lines:
        for line in lines:
            hashlib.sha256(line).hexdigest()
    return Run(took_s, time.perf_counter() - began)


def _write(path: Path, entries: int) -> Entry:
    prev = FIRST_PREV
    entry = Entry("gas-1", 0, _T0, "", "", "", prev)
    with path.open("wb") as file:
        header = canonical_json({"davy_audit": 1, "from_n": 1, "tenant": "gas-1", "to_n": entries})
        file.write(header.encode() + b"\n")
        for n in range(1, entries + 1):
            body = canonical_json(
                {
                    "alarm": f"{n:032x}",
                    "device": f"acme/d{n % 9973}",
                    "event": f"engine:{n}:0",
                    "rule": "methane-high",
                    "site": f"home-{n % 9973}",
                    "value": "25.5",
                }
            )
            entry = Entry("gas-1", n, _T0 + n, "alarm_raised", "", body, prev)
            line = entry.canonical()
            file.write(line + b"\n")
            prev = hashlib.sha256(line).hexdigest()
    return entry


def _head(entry: Entry) -> Head:
    return Head(entry.tenant, entry.n, entry.sha256)
