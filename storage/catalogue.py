"""The catalogue of products by area: offered by vendors, admitted, removed and published by the area's regulator.
Raises DatabaseAway, DatabaseRefused.

L1  What a vendor changes is an offer again, and not to be seen by the public until it is admitted anew.
L2  A removal keeps its reason and its words, and stays to be seen; every step is in the record.
L3  A catalogue that lacks something is published with a reason only; what it lacked then is kept with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

from access.audit_chain import Plain
from devices.catalogue_check import Lack, Offered, lacks
from devices.models import DeviceKind, Tier
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A model as it is sold. `model` is a key of the device catalogue or the vendor's own word."""

    model: str
    name: str
    kind: DeviceKind
    tier: Tier
    price_cny: Decimal
    service: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a vendor offers in an area. changed: microseconds UTC; reason, words: of a removal."""

    enterprise: str
    name: str
    name_en: str
    area: str
    state: str
    qualification: str
    contact: str
    service: str
    changed: int
    reason: str
    words: str
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    qualification: str
    contact: str
    service: str
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Publication:
    at: int
    gaps: tuple[str, ...]
    reason: str


_ENTRIES: LiteralString = (
    "SELECT e.enterprise, coalesce(p.name, ''), coalesce(p.name_en, ''), e.area, e.state, e.qualification, e.contact,"
    " e.service, davy_us(e.changed), e.reason, e.words FROM catalogue_entry e"
    " LEFT JOIN davy_party_names p ON p.key = e.enterprise WHERE e.area = %s AND e.state = ANY(%s)"
    " ORDER BY e.enterprise"
)


async def entries(connection: Connection, area: str, states: Sequence[str]) -> tuple[Entry, ...]:
    """Of an area, in the order of their enterprises' keys."""
    with translated():
        cursor = await connection.execute(_ENTRIES, (clean(area), list(states)))
        rows = await cursor.fetchall()
        cursor = await connection.execute(
            "SELECT enterprise, model, name, kind, tier, price_cny, service FROM catalogue_product WHERE area = %s"
            " ORDER BY enterprise, kind, tier, model",
            (clean(area),),
        )
        products: dict[str, list[Product]] = {}
        for enterprise, model, name, kind, tier, price, service in await cursor.fetchall():
            products.setdefault(enterprise, []).append(
                Product(model, name, DeviceKind(kind), Tier(tier), price, service)
            )
    return tuple(_entry(row, tuple(products.get(row[0], ()))) for row in rows)


async def published(connection: Connection, area: str) -> Publication | None:
    """The newest publication of an area's catalogue."""
    with translated():
        cursor = await connection.execute(
            "SELECT davy_us(at), gaps, reason FROM catalogue_publication WHERE area = %s"
            " ORDER BY publication DESC LIMIT 1",
            (clean(area),),
        )
        row = await cursor.fetchone()
    return Publication(row[0], tuple(row[1]), row[2]) if row else None


def what_lacks(found: Sequence[Entry]) -> tuple[Lack, ...]:
    return lacks(
        Offered(entry.enterprise, product.kind, product.tier)
        for entry in found
        if entry.state == "admitted"
        for product in entry.products
    )


async def offer(connection: Connection, enterprise: str, area: str, given: Offer, *, by: str, now_us: int) -> None:
    """A vendor's entry, whole (L1)."""
    values = (clean(given.qualification), clean(given.contact), clean(given.service), as_datetime(now_us), by)
    with translated():
        await connection.execute(
            "INSERT INTO catalogue_entry"
            " (enterprise, area, state, qualification, contact, service, changed, changed_by)"
            " VALUES (%s, %s, 'offered', %s, %s, %s, %s, %s) ON CONFLICT (enterprise, area) DO UPDATE SET"
            " state = 'offered', qualification = excluded.qualification, contact = excluded.contact,"
            " service = excluded.service, changed = excluded.changed, changed_by = excluded.changed_by, reason = '',"
            " words = ''",
            (enterprise, area, *values),
        )
        await connection.execute(
            "DELETE FROM catalogue_product WHERE enterprise = %s AND area = %s", (enterprise, area)
        )
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO catalogue_product (enterprise, area, model, name, kind, tier, price_cny, service)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [(enterprise, area, *_columns(product)) for product in given.products],
            )
        body: dict[str, Plain] = {"area": area, "products": [product.model for product in given.products]}
        await record(connection, [Said(enterprise, now_us, "catalogue_offered", by, body)])


async def decide(
    connection: Connection, enterprise: str, area: str, state: str, *, reason: str, words: str, by: str, now_us: int
) -> bool:
    """Admit an entry, or remove it with a reason (L2). False where there is none."""
    with translated():
        cursor = await connection.execute(
            "UPDATE catalogue_entry SET state = %s, reason = %s, words = %s, changed = %s, changed_by = %s"
            " WHERE enterprise = %s AND area = %s",
            (state, reason, clean(words), as_datetime(now_us), by, clean(enterprise), clean(area)),
        )
        if cursor.rowcount == 0:
            return False
        body: dict[str, Plain] = {"area": area, "enterprise": enterprise, "reason": reason, "words": words}
        said = [Said(tenant, now_us, f"catalogue_{state}", by, body) for tenant in ("", enterprise)]
        await record(connection, said)
    return True


async def publish(
    connection: Connection, area: str, gaps: Sequence[Lack], reason: str, *, by: str, now_us: int
) -> None:
    """L3; the database refuses gaps without a reason."""
    with translated():
        await connection.execute(
            "INSERT INTO catalogue_publication (area, at, by, gaps, reason) VALUES (%s, %s, %s, %s, %s)",
            (area, as_datetime(now_us), by, [gap.words for gap in gaps], clean(reason)),
        )
        body: dict[str, Plain] = {"area": area, "gaps": [gap.words_en for gap in gaps], "reason": reason}
        await record(connection, [Said("", now_us, "catalogue_published", by, body)])


def _columns(product: Product) -> tuple[Any, ...]:
    kind, tier = product.kind.value, product.tier.value
    return (clean(product.model), clean(product.name), kind, tier, product.price_cny, clean(product.service))


def _entry(row: tuple[Any, ...], products: tuple[Product, ...]) -> Entry:
    enterprise, name, name_en, area, state, *said, changed, reason, words = row
    qualification, contact, service = said
    return Entry(
        enterprise, name, name_en, area, state, qualification, contact, service, changed, reason, words, products
    )
