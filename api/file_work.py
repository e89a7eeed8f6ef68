"""Files of the register, read or written in a process of their own: `python -m api.file_work`.

W1  The event loop never works for them, and what they take of memory is bounded (the job says how much).
W2  It works in the name of the asker's party, as the API does: row-level security has the last word.
W3  It ends with its parent, and gives way to everything else on the machine.

One job comes in on the standard input behind its length in 4 bytes; each line of the standard output is one frame.
"""

import asyncio
import gc
import os
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec
import psycopg

from access.enterprises import EnterpriseKind
from api.apart_work import LENGTH_BYTES, NICE
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.registry import Imported, apply_source
from storage.registry_export import PeopleOut, kinds_of
from storage.registry_file import write_rows
from storage.registry_own import own_rows
from storage.registry_people import say_exported
from storage.registry_record import By
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from storage.sealed import MasterKey
from storage.tenants import As, FenceRefused, Standing, Tenant, become_nobody, in_the_name_of

#: Rows that an answer shows; those that were refused come first. Product choice.
MOST_SHOWN = 1_000


class Party(msgspec.Struct, frozen=True):
    """In whose name; an empty enterprise is the platform."""

    enterprise: str = ""
    kind: EnterpriseKind = EnterpriseKind.GAS_COMPANY


class ImportJob(msgspec.Struct, frozen=True, tag="import"):
    url: str
    most_bytes: int
    party: Party
    body: bytes
    name: str
    by: str
    now_us: int
    dry_run: bool
    #: What people are sealed under; empty: none are taken.
    master: bytes = b""


class ExportJob(msgspec.Struct, frozen=True, tag="export"):
    """into: the file to write; its ending says how."""

    url: str
    most_bytes: int
    party: Party
    into: str
    kinds: tuple[str, ...]
    lang: str
    by: str
    now_us: int
    #: As of ImportJob; purpose: of personal data in clear, which is recorded. Empty: it is masked.
    master: bytes = b""
    purpose: str = ""


Job = ImportJob | ExportJob


class RowShown(msgspec.Struct, frozen=True):
    place: str
    kind: str
    key: str
    fate: Fate
    reason: str


class Step(msgspec.Struct, frozen=True, tag="step"):
    words: str


class ImportDone(msgspec.Struct, frozen=True, tag="imported"):
    """counts: by `kind fate`. rows: MOST_SHOWN of those with a reason. tokens: (identity, token), made now."""

    applied: bool
    rows_read: int
    counts: dict[str, int]
    rows: tuple[RowShown, ...]
    rows_left_out: int
    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    tokens: tuple[tuple[str, str], ...]


class ExportDone(msgspec.Struct, frozen=True, tag="exported"):
    bytes: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """asked: what was asked for cannot be; else try again."""

    reason: str
    asked: bool


Frame = Step | ImportDone | ExportDone | Failed


async def _work(job: Job, told: Callable[[str], None]) -> Frame:
    if isinstance(job, ImportJob):
        told("reading the file")
        rows = own_rows(parse_source(job.body), job.party.enterprise)
    connection = await connect(job.url, name="registry file")
    try:
        await ready(connection)
        roles = await become_nobody(connection)
        with translated():
            async with in_the_name_of(connection, roles, _as(job.party), writing=_writes(job)):
                if isinstance(job, ExportJob):
                    told("writing the file")
                    return ExportDone(await _export(connection, job))
                by = By(job.by, job.now_us, job.name)
                done = await apply_source(
                    connection,
                    rows,
                    by=by,
                    random_bytes=os.urandom,
                    dry_run=job.dry_run,
                    told=told,
                    master=_master(job),
                )
                return _shown(done)
    finally:
        await connection.close()


async def _export(connection: Connection, job: ExportJob) -> int:
    master = _master(job)
    people = PeopleOut(master, plain=bool(job.purpose)) if master is not None else None
    if people is not None and people.plain:
        await say_exported(connection, job.by, job.now_us, job.purpose)
    kinds = kinds_of(job.kinds, tokens=False, people=people is not None)
    return await write_rows(connection, kinds, Path(job.into), job.lang, people)


def _writes(job: Job) -> bool:
    """An export with personal data in clear writes the record."""
    return isinstance(job, ImportJob) or bool(job.purpose)


def _master(job: Job) -> MasterKey | None:
    return MasterKey(job.master) if job.master else None


def _as(party: Party) -> As:
    return Tenant(party.enterprise, party.kind) if party.enterprise else Standing.PLATFORM


def _shown(done: Imported) -> ImportDone:
    telling = sorted((row for row in done.fates if row.reason), key=lambda row: row.fate is not Fate.REFUSED)
    shown = tuple(RowShown(row.place, row.kind, row.key, row.fate, row.reason) for row in telling[:MOST_SHOWN])
    return ImportDone(
        applied=done.applied,
        rows_read=len(done.fates),
        counts=dict(Counter(f"{row.kind} {row.fate}" for row in done.fates)),
        rows=shown,
        rows_left_out=len(telling) - len(shown),
        faults=done.faults[:MOST_SHOWN],
        warnings=done.warnings[:MOST_SHOWN],
        tokens=done.tokens,
    )


def work(job: Job, told: Callable[[str], None]) -> Frame:
    """The job's last frame."""
    try:
        return asyncio.run(_work(job, told))
    except DatabaseAway as away:
        return Failed(str(away), asked=False)
    except (FenceRefused, psycopg.errors.UniqueViolation):
        # Whose it is, is not said: the asker may not know that there is such a thing.
        return Failed("a key or number in the file cannot be used; take others", asked=True)
    except DatabaseRefused as refused:
        return Failed(str(refused), asked=False)
    except (ValueError, psycopg.DataError) as wrong:
        return Failed(str(wrong)[:2_000], asked=True)
    except MemoryError:
        return Failed(f"it needs more than {job.most_bytes / 2**30:.3g} GiB of memory; split the file", asked=True)


def main() -> None:
    """Read a job, work, write its frames."""
    os.nice(NICE)
    # A file makes millions of objects that all stay: looking for garbage among them would take half of the time.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(LENGTH_BYTES), "little")
    job: Job = msgspec.msgpack.decode(source.read(length), type=Job)
    threading.Thread(target=_end_with_parent, args=(source,), daemon=True).start()
    resource.setrlimit(resource.RLIMIT_DATA, (job.most_bytes, job.most_bytes))

    def tell(frame: Frame) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(frame) + b"\n")
        sys.stdout.buffer.flush()

    tell(work(job, lambda words: tell(Step(words))))


def _end_with_parent(source: BinaryIO) -> None:
    """W3."""
    source.read()
    os._exit(1)


if __name__ == "__main__":
    main()
