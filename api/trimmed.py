"""A backtest's result without its long lists: what a console shows, and what an API process can keep twenty times.

All of it is counted; `davy rules backtest --json-file` or `--parquet` writes every alarm.
"""

import dataclasses

import msgspec
from msgspec.structs import replace

from rules.health.health import Health
from rules.history.backtest_types import Differences, Found, Tested

#: Alarms, differences, desks, floods and the like of a result are listed up to so many. Source: product choice; a
#: result is then at most about 1 MiB.
MOST_SHOWN = 200


class Counts(msgspec.Struct, frozen=True):
    """How many there are of what may be listed in part."""

    alarms: int
    chattering: int
    stale: int


class Differing(msgspec.Struct, frozen=True):
    only_new: int
    only_old: int
    moved: int


class Trimmed(msgspec.Struct, frozen=True):
    """`tested` with every list cut at MOST_SHOWN; how long they were."""

    tested: Tested
    new: Counts
    old: Counts | None
    differing: Differing | None


def trimmed(tested: Tested) -> Trimmed:
    """The result as it is kept and shown."""
    differences = tested.differences
    return Trimmed(
        tested=replace(
            tested,
            new=_found(tested.new),
            old=None if tested.old is None else _found(tested.old),
            differences=None if differences is None else _differences(differences),
        ),
        new=_counts(tested.new),
        old=None if tested.old is None else _counts(tested.old),
        differing=None
        if differences is None
        else Differing(len(differences.only_new), len(differences.only_old), len(differences.moved)),
    )


def _differences(all_of_them: Differences) -> Differences:
    return replace(
        all_of_them,
        only_new=all_of_them.only_new[:MOST_SHOWN],
        only_old=all_of_them.only_old[:MOST_SHOWN],
        moved=all_of_them.moved[:MOST_SHOWN],
    )


def _counts(found: Found) -> Counts:
    return Counts(found.raised, len(found.load.health.chattering), len(found.load.health.stale))


def _found(found: Found) -> Found:
    load = replace(found.load, health=_health(found.load.health))
    return replace(found, alarms=found.alarms[:MOST_SHOWN], load=load)


def _health(health: Health) -> Health:
    queues = tuple(dataclasses.replace(queue, floods=queue.floods[:MOST_SHOWN]) for queue in health.queues[:MOST_SHOWN])
    return dataclasses.replace(
        health, queues=queues, chattering=health.chattering[:MOST_SHOWN], stale=health.stale[:MOST_SHOWN]
    )
