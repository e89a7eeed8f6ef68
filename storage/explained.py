"""An explanation from the database, with as much history as it takes to see where an alarm began.

What is read is what rules remember, and back to the oldest alarm that stood. By other rules than those in force, an
alarm may have begun before that: then more is read, until its condition is seen to be clear or there is enough.
"""

import asyncio
from collections.abc import Callable, Iterator

from devices.readings import Rows
from rules.documents.document import RulePack
from rules.history.backtest import LONGEST_LEAD_US
from rules.history.explain import explain
from rules.history.explain_types import Explained
from storage.backtests import ask
from storage.database import Connection

#: So much longer each time. Source: product choice.
LONGER = 8
#: Readings of one look that may be expected, at most: some 5 s of rules. Source: product choice.
MOST_READ = 2_000_000
#: What is looked at where rules remember nothing, microseconds. Source: product choice.
_LEAST_US = 3_600_000_000


async def explained(
    connection: Connection,
    url: str,
    identity: str,
    at_us: int,
    pack: RulePack,
    rules: tuple[str, ...] = (),
    *,
    spoken: Callable[[int], str] = str,
    in_force: bool = True,
) -> Explained:
    """See storage.backtests.ask and rules.explain.explain. Raises what they do, and storage.history.stored_readings."""
    lead = 0
    while True:
        asking = await ask(connection, identity, at_us, pack, rules, in_force=in_force, lead=lead)
        counted = _Counted(asking.history(url))
        found = await asyncio.to_thread(explain, asking.question, counted, spoken)
        looked_back = at_us - found.since
        enough = looked_back >= LONGEST_LEAD_US or counted.readings * LONGER > MOST_READ
        if enough or not any(rule.older for rule in found.rules):
            return found
        lead = min(LONGEST_LEAD_US, max(_LEAST_US, LONGER * looked_back))


class _Counted:
    """History, and how much of it there was."""

    def __init__(self, history: Iterator[Rows]) -> None:
        self._history, self.readings = history, 0

    def __iter__(self) -> Iterator[Rows]:
        for rows in self._history:
            self.readings += len(rows)
            yield rows
