"""What the API has worked out in a process of its own: a backtest, an explanation. `python -m api.apart_work`.

W1  It reads the database and nothing else: no engine, no store, no live state (storage/backtests.py B1).
W2  It is bounded: by memory (its job says how much; more ends as TOO_MUCH), and by whoever started it in time.
W3  It ends with its parent: its standard input stays open as long as somebody waits for it.
W4  It gives way to everything else on the machine (NICE), because what it works out can wait and an alarm cannot.

One job comes in on the standard input, frames go out on the standard output, each behind its length in 4 bytes.
"""

import asyncio
import errno
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import BinaryIO

import msgspec

from api.times import rfc3339
from api.trimmed import Trimmed, trimmed
from rules.documents.document import load_pack
from rules.history.backtest import backtest
from rules.history.backtest_types import Assumed, Progress
from rules.history.explain_types import Explained
from storage.backtests import Order, prepare, rules_in_force
from storage.database import DatabaseAway, DatabaseRefused, connect, ready
from storage.explained import explained
from storage.history import TooMuchBackfilled, stored_readings

#: Source: product choice. The engine and the database run at 0.
NICE = 10
#: Progress is told this often at most, seconds. Source: product choice.
TELL_EVERY_S = 0.2
LENGTH_BYTES = 4


class Document(msgspec.Struct, frozen=True):
    """Rules as they were handed in: TOML, and what their faults call them."""

    name: str
    body: bytes


class BacktestJob(msgspec.Struct, frozen=True, tag="backtest"):
    """`against` None: compare with the rules in force at `to_us`. Times are microseconds since 1970 UTC."""

    url: str
    most_bytes: int
    rules: Document
    from_us: int
    to_us: int
    against: Document | None = None
    sites: tuple[str, ...] = ()
    assumed: Assumed = Assumed()


class ExplainJob(msgspec.Struct, frozen=True, tag="explain"):
    """Why, at the device `identity` and this time, by the rules that were in force then; `rules`: these of them."""

    url: str
    most_bytes: int
    identity: str
    at_us: int
    rules: tuple[str, ...] = ()


Job = BacktestJob | ExplainJob


class Fault(StrEnum):
    """ASKED: what was asked for cannot be. AWAY, REFUSED: the database. TOO_MUCH: more than may be taken. DEFECT: a
    failure of ours, which stands in the log."""

    ASKED = "asked"
    AWAY = "away"
    REFUSED = "refused"
    TOO_MUCH = "too much"
    DEFECT = "defect"


class Going(msgspec.Struct, frozen=True, tag="going"):
    """So many readings so far, and up to which time."""

    readings: int
    at: int


class Tried(msgspec.Struct, frozen=True, tag="tried"):
    result: Trimmed


class Told(msgspec.Struct, frozen=True, tag="told"):
    result: Explained


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    fault: Fault
    reason: str


Frame = Going | Tried | Told | Failed


async def _backtest(job: BacktestJob, tell: Callable[[Frame], None]) -> Frame:
    new = load_pack(job.rules.body, job.rules.name)
    connection = await connect(job.url, name="backtest")
    try:
        await ready(connection)
        if job.against is None:
            old = await rules_in_force(connection, job.to_us)
        else:
            old = load_pack(job.against.body, job.against.name)
        order = Order(new, job.from_us, job.to_us, old, job.sites, job.assumed)
        prepared = await prepare(connection, order)
    finally:
        await connection.close()
    told_s = time.monotonic()

    def progress(one: Progress) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_EVERY_S:
            told_s = time.monotonic()
            tell(Going(one.readings, one.at))

    tested = backtest(prepared.request, stored_readings(job.url, prepared.asked), progress)
    return Tried(trimmed(tested))


async def _explain(job: ExplainJob) -> Frame:
    connection = await connect(job.url, name="explain")
    try:
        await ready(connection)
        pack = await rules_in_force(connection, job.at_us)
        if pack is None:
            return Failed(Fault.ASKED, "at: nobody knows which rules were in force then")
        return Told(await explained(connection, job.url, job.identity, job.at_us, pack, job.rules, spoken=rfc3339))
    finally:
        await connection.close()


def work(job: Job, tell: Callable[[Frame], None]) -> Frame:
    """The job's last frame; `tell` gets those before."""
    try:
        return asyncio.run(_backtest(job, tell) if isinstance(job, BacktestJob) else _explain(job))
    except DatabaseAway as away:
        return Failed(Fault.AWAY, str(away))
    except DatabaseRefused as refused:
        if "allocate memory" in str(refused):  # libpq's words: what ended is our room, not the database's
            return _too_much_memory(job)
        return Failed(Fault.REFUSED, str(refused))
    except TooMuchBackfilled as wrong:
        return Failed(Fault.TOO_MUCH, str(wrong))
    except MemoryError:
        return _too_much_memory(job)
    except OSError as wrong:
        if wrong.errno != errno.ENOMEM:  # the system's word for the same
            raise
        return _too_much_memory(job)
    except RuntimeError as wrong:
        if str(wrong) != "can't start new thread":  # CPython's words for a stack that found no room
            raise
        return _too_much_memory(job)
    except ValueError as wrong:
        return Failed(Fault.ASKED, str(wrong))


def _too_much_memory(job: Job) -> Failed:
    most = job.most_bytes / 2**30
    return Failed(Fault.TOO_MUCH, f"more than {most:.3g} GiB of memory is needed; ask for fewer sites or rules")


def main() -> None:
    """Read a job, work, write its frames."""
    out = sys.stdout.buffer
    os.nice(NICE)
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(LENGTH_BYTES), "little")
    job: Job = msgspec.msgpack.decode(source.read(length), type=Job)
    threading.Thread(target=_end_with_parent, args=(source,), daemon=True).start()
    resource.setrlimit(resource.RLIMIT_DATA, (job.most_bytes, job.most_bytes))

    def tell(frame: Frame) -> None:
        body = msgspec.msgpack.encode(frame)
        out.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
        out.flush()

    tell(work(job, tell))
    # At once: what ends an interpreter needs room too, and there may be none.
    os._exit(0)


def _end_with_parent(source: BinaryIO) -> None:
    """W3."""
    source.read()
    os._exit(1)


if __name__ == "__main__":
    main()
