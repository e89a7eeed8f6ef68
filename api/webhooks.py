"""Webhooks: where a receiver wants what is shared with it to be sent. They are sent by a process of its own
(davy/webhook_part.py); here they are made, looked after and looked at."""

import os
from typing import Annotated, Any

from fastapi import APIRouter, Path

from access.authorize import Action
from access.principals import Principal
from api.grants import require_whole
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, stored_page
from api.parts import Parts, Shared
from api.permits import ChangesWebhooks, GuardedRoute, ReadsWebhooks
from api.persons import master_of
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.site_shapes import Key
from api.webhook_shapes import (
    AgainAsked,
    DeliveriesShown,
    OffAsked,
    RotationAsked,
    SentAgain,
    WebhookAsked,
    WebhookKey,
    WebhookMade,
    WebhookShown,
    WebhooksShown,
    show_delivery,
    show_webhook,
)
from notify.outgoing.signed import new_secret
from storage import change_feed, grants
from storage import webhooks as stored
from storage.database import Connection, translated
from storage.tenant_keys import key_to_seal, webhook_place
from storage.tenants import Standing
from storage.times import HOUR_US, as_datetime
from storage.webhooks import Webhook

router = APIRouter(route_class=GuardedRoute, prefix="/v1/enterprises/{enterprise}/webhooks", tags=["sharing"])

#: Webhooks of one party at most (product choice).
MOST_WEBHOOKS = 100

_READ = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_CHANGE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
Named = Annotated[WebhookKey, Path(description="Its key")]


@router.get("", operation_id="list_webhooks", responses=_READ)
async def list_webhooks(parts: Shared, who: ReadsWebhooks, enterprise: Key) -> WebhooksShown:
    """An enterprise's webhooks, newest first."""
    async with parts.party(who, enterprise) as connection:
        found = await stored.webhooks_of(connection, enterprise)
    return WebhooksShown(webhooks=[show_webhook(one, parts.config.now_us()) for one in found])


@router.post("", operation_id="make_webhook", responses=_CHANGE, status_code=201)
async def make_webhook(parts: Shared, who: ChangesWebhooks, enterprise: Key, body: WebhookAsked) -> WebhookMade:
    """Have sent what is shared by a grant, from now on; what was before is pulled (`/v1/shared/{grant}/changes`)."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    now_us, secret = parts.config.now_us(), new_secret(os.urandom)
    async with parts.database(Standing.PLATFORM) as connection:
        place = await change_feed.ends(connection)
    async with parts.party(who, enterprise, writing=True) as connection:
        grant = await grants.grant(connection, body.grant)
        if grant is None or grant.receiver != enterprise or grant.accepted is None or grant.ended is not None:
            raise Problem(NOT_FOUND, f"there is no grant {body.grant} that {enterprise} has accepted")
        if not any(grant.fields.get(kind) for kind in change_feed.RESOURCES):
            raise Problem(BAD_PARAMETER, "grant: it shares neither alarms nor commands; nothing would ever be sent")
        if len(await stored.webhooks_of(connection, enterprise)) >= MOST_WEBHOOKS:
            raise Problem(CONFLICT, f"{enterprise} has {MOST_WEBHOOKS} webhooks already; remove one that is not needed")
        key = grants.new_key(os.urandom)
        sealed = await _sealed(parts, connection, enterprise, key, secret)
        made = Webhook(
            key=key,
            enterprise=enterprise,
            grant=grant.key,
            url=body.url,
            secret=sealed,
            former=None,
            former_until=None,
            place=place,
            made=now_us,
            failing=None,
            off=None,
            off_because="",
        )
        await stored.make(connection, made, by=who.name, now_us=now_us)
    return WebhookMade(secret=secret, webhook=show_webhook(made, now_us))


@router.get("/{webhook}", operation_id="get_webhook", responses=_READ)
async def get_webhook(parts: Shared, who: ReadsWebhooks, enterprise: Key, webhook: Named) -> WebhookShown:
    """One webhook, without its secret."""
    async with parts.party(who, enterprise) as connection:
        return show_webhook(await _found(connection, enterprise, webhook), parts.config.now_us())


@router.delete("/{webhook}", operation_id="remove_webhook", responses=_CHANGE, status_code=204)
async def remove_webhook(parts: Shared, who: ChangesWebhooks, enterprise: Key, webhook: Named) -> None:
    """Nothing more is sent there, and what was is forgotten; the record keeps that it was."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await _found(connection, enterprise, webhook)
        await stored.remove(connection, found, by=who.name, now_us=parts.config.now_us())


@router.post("/{webhook}/rotate", operation_id="rotate_webhook_secret", responses=_CHANGE)
async def rotate_webhook_secret(
    parts: Shared, who: ChangesWebhooks, enterprise: Key, webhook: Named, body: RotationAsked
) -> WebhookMade:
    """Another secret, shown once. For a while the former one signs too, so that the receiver can change over."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    now_us, secret = parts.config.now_us(), new_secret(os.urandom)
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await _found(connection, enterprise, webhook)
        values = {
            "secret": await _sealed(parts, connection, enterprise, webhook, secret),
            "former": found.secret if body.overlap_h else None,
            "former_until": as_datetime(now_us + body.overlap_h * HOUR_US) if body.overlap_h else None,
        }
        shown = await _changed(connection, who, found, "webhook_secret_rotated", values, now_us)
    return WebhookMade(secret=secret, webhook=shown)


@router.post("/{webhook}/off", operation_id="turn_webhook_off", responses=_CHANGE)
async def turn_webhook_off(
    parts: Shared, who: ChangesWebhooks, enterprise: Key, webhook: Named, body: OffAsked
) -> WebhookShown:
    """Send nothing for now. What happens meanwhile is sent when it is turned on again."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    now_us = parts.config.now_us()
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await _found(connection, enterprise, webhook)
        values = {"off": as_datetime(now_us), "off_because": body.because}
        return await _changed(connection, who, found, "webhook_turned_off", values, now_us)


@router.post("/{webhook}/on", operation_id="turn_webhook_on", responses=_CHANGE)
async def turn_webhook_on(parts: Shared, who: ChangesWebhooks, enterprise: Key, webhook: Named) -> WebhookShown:
    """Send again, from where it was turned off or put off."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    now_us = parts.config.now_us()
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await _found(connection, enterprise, webhook)
        values = {"off": None, "off_because": "", "failing": None}
        return await _changed(connection, who, found, "webhook_turned_on", values, now_us)


@router.get("/{webhook}/deliveries", operation_id="list_deliveries", responses=_READ)
async def list_deliveries(
    parts: Shared,
    who: ReadsWebhooks,
    enterprise: Key,
    webhook: Named,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> DeliveriesShown:
    """What was sent to a webhook or waits to be, newest first, and what became of it; kept for 30 days."""
    before = decode_cursor(cursor, tuple[int])
    async with parts.party(who, enterprise) as connection:
        await _found(connection, enterprise, webhook)
        found = await stored.deliveries(connection, webhook, before=before[0] if before else None, limit=limit + 1)
    page, following = stored_page(found, lambda one: (one.number,), limit)
    return DeliveriesShown(deliveries=[show_delivery(one) for one in page], next=following)


@router.post("/{webhook}/again", operation_id="send_again", responses=_CHANGE)
async def send_again(
    parts: Shared, who: ChangesWebhooks, enterprise: Key, webhook: Named, body: AgainAsked
) -> SentAgain:
    """Send some deliveries again, or all that were made since a time, with the ids they had."""
    require_whole(who, Action.CHANGE_WEBHOOKS, enterprise)
    if not body.deliveries and body.from_ is None:
        raise Problem(BAD_PARAMETER, "deliveries, from: say which")
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await _found(connection, enterprise, webhook)
        many = await stored.again(
            connection,
            found,
            numbers=body.deliveries,
            from_us=body.from_,
            by=who.name,
            now_us=parts.config.now_us(),
        )
    return SentAgain(deliveries=many)


async def _found(connection: Connection, enterprise: str, key: str) -> Webhook:
    """Raises Problem (404)."""
    found = await stored.webhook(connection, key)
    if found is None or found.enterprise != enterprise:
        raise Problem(NOT_FOUND, f"there is no webhook {key} of {enterprise}")
    return found


async def _changed(
    connection: Connection, who: Principal, known: Webhook, kind: str, values: dict[str, Any], now_us: int
) -> WebhookShown:
    await stored.change(connection, known, kind=kind, values=values, by=who.name, now_us=now_us)
    return show_webhook(await _found(connection, known.enterprise, known.key), now_us)


async def _sealed(parts: Parts, connection: Connection, enterprise: str, webhook: str, secret: str) -> bytes:
    """Under the key of the party whose webhook it is."""
    with translated():
        key = await key_to_seal(
            connection, master_of(parts), enterprise, now_us=parts.config.now_us(), random_bytes=os.urandom
        )
    return key.seal(webhook_place(enterprise, webhook), secret, os.urandom)
