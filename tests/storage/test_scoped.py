"""A scope in SQL admits what the scope admits."""

import random
from dataclasses import astuple

from access.ownership import EVERYTHING, NOTHING, Owner, Scope
from storage.database import connect
from storage.scoped import OwnerColumns, condition

_COLUMNS = OwnerColumns("o.site", "o.enterprise", "o.manager", "o.area", "o.vendor", "o.installer")
_WORDS = ("", "a", "b", "c'", "%")
_AREAS = ("", "50", "5001", "500101", "500199", "5002", "51", "59", "5")


def _owner(chance: random.Random) -> Owner:
    return Owner(
        site=chance.choice(_WORDS),
        enterprise=chance.choice(_WORDS),
        manager=chance.choice(_WORDS),
        area=chance.choice(_AREAS),
        vendor=chance.choice(_WORDS),
        installer=chance.choice(_WORDS),
    )


def _scope(chance: random.Random) -> Scope:
    def some(words: tuple[str, ...]) -> frozenset[str]:
        return frozenset(chance.sample(words, chance.choice((0, 0, 0, 1, 2))))

    return Scope(
        everything=chance.random() < 0.05,
        enterprises=some(_WORDS),
        managers=some(_WORDS),
        areas=some(_AREAS),
        vendors=some(_WORDS),
        installers=some(_WORDS),
        sites=some(_WORDS),
    )


async def test_sql_admits_what_the_scope_admits(plain_url: str) -> None:
    chance = random.Random(5)
    owners = [_owner(chance) for _ in range(300)]
    connection = await connect(plain_url, name="test")
    try:
        for scope in (EVERYTHING, NOTHING, *(_scope(chance) for _ in range(150))):
            admitted, values = condition(scope, _COLUMNS)
            cursor = await connection.execute(
                "SELECT o.n FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],"
                " %s::text[]) AS o (n, site, enterprise, manager, area, vendor, installer) WHERE " + admitted,
                [list(range(len(owners))), *(list(part) for part in zip(*map(astuple, owners), strict=True)), *values],
            )
            found = {row[0] for row in await cursor.fetchall()}
            assert found == {n for n, owner in enumerate(owners) if scope.admits(owner)}, scope
    finally:
        await connection.close()
