"""The log files in the data folder and their bound: MOST_BYTES each, and as much again of what came before.

Their writers are other programs (PostgreSQL, the parts of a demo) that hold them open and never look, so a file is not
replaced but copied aside and emptied. What is written between the two is lost, a few lines of many.
"""

import asyncio
import contextlib
import os
import shutil
from pathlib import Path

MOST_BYTES = 16 << 20
#: Between two looks a writer may exceed the bound, by what it writes meanwhile.
LOOK_EVERY_S = 10.0


async def keep_bounded(folder: Path) -> None:
    """Look after the logs in `folder` until cancelled."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        await asyncio.to_thread(_bound_all, folder)


def bound(path: Path) -> None:
    """Empty a log that has grown large; what it held is kept as <name>.1, if there is room for it. Its writers must
    have opened it for appending. Raises OSError."""
    if path.stat().st_size <= MOST_BYTES:
        return
    kept = path.with_name(f"{path.name}.1")
    try:
        shutil.copyfile(path, kept)
    except OSError:
        kept.unlink(missing_ok=True)  # on a full disk the bound is worth more than the old lines
    os.truncate(path, 0)


def _bound_all(folder: Path) -> None:
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):  # the next look tries again
            bound(path)
