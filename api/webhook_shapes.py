"""Webhooks and what was sent to them, as they are shown and asked for."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from api.grant_shapes import GrantKey
from api.shapes import Asked, Page, Reason, Shape, example
from api.times import Utc, UtcParameter
from notify.outgoing.guard import url_faults
from storage.webhooks import Delivery, Webhook

WebhookKey = Annotated[str, StringConstraints(pattern="^[A-Z2-7]{20}$")]


def _sound(url: str) -> str:
    if fault := url_faults(url):
        raise ValueError(fault)
    return url


Url = Annotated[str, AfterValidator(_sound), Field(max_length=2_000, examples=["https://hooks.example.com/davy"])]
#: How long the former secret signs too: a day unless said otherwise, a week at most (product choices).
OVERLAP_H, MOST_OVERLAP_H = 24, 168


class WebhookAsked(Asked, json_schema_extra=example(grant="A" * 20, url="https://hooks.example.com/davy")):
    grant: GrantKey = Field(description="What is shared by it is sent: alarms and commands, as they change")
    url: Url = Field(description="https, by a public address; redirects are not followed")


class RotationAsked(Asked, json_schema_extra=example(overlap_h=24)):
    overlap_h: int = Field(
        default=OVERLAP_H, ge=0, le=MOST_OVERLAP_H, description="So long the former secret signs too"
    )


class OffAsked(Asked, json_schema_extra=example(because="the receiver moves to another house")):
    because: Reason


class AgainAsked(Asked, json_schema_extra=example(deliveries=[4711], **{"from": None})):
    """Some deliveries, or all that were made since a time; they keep their ids."""

    deliveries: list[Annotated[int, Field(ge=1, lt=2**62)]] = Field(default=[], max_length=1_000)
    from_: UtcParameter | None = Field(
        default=None, alias="from", description="All that were made at or after this time"
    )


class WebhookShown(Shape):
    """All but the secret."""

    webhook: str
    enterprise: str
    grant: str
    url: str
    made: Utc
    former_until: Utc | None = Field(description="Until then the former secret signs too")
    failing: Utc | None = Field(description="Since when nothing has arrived there")
    off: Utc | None = Field(
        description="Since then nothing is sent; what happens meanwhile is sent when it is on again"
    )
    off_because: str | None


class WebhooksShown(Shape):
    webhooks: list[WebhookShown]


class WebhookMade(Shape):
    """`secret`: with it the receiver verifies (Standard Webhooks, `v1`). It is shown this once."""

    secret: str
    webhook: WebhookShown


class DeliveryShown(Shape):
    """One message. `due`: when it is sent next; null: it is over."""

    delivery: int
    id: str = Field(description="`webhook-id`: the same however often it is sent")
    made: Utc
    due: Utc | None
    attempts: int = Field(description="Since it was made, or asked for again")
    done: Utc | None = Field(description="When it arrived last")
    gave_up: Utc | None
    status: int | None = Field(description="Of the last answer; null: there was none")
    said: str | None = Field(description="The beginning of what the receiver said, or what went wrong")
    body: str = Field(description="As it is signed")


class DeliveriesShown(Page):
    deliveries: list[DeliveryShown]


class SentAgain(Shape):
    deliveries: int = Field(description="How many are sent again")


def show_webhook(one: Webhook, now_us: int) -> WebhookShown:
    former = one.former_until if one.former_until is not None and one.former_until > now_us else None
    return WebhookShown(
        webhook=one.key,
        enterprise=one.enterprise,
        grant=one.grant,
        url=one.url,
        made=one.made,
        former_until=former,
        failing=one.failing,
        off=one.off,
        off_because=one.off_because or None,
    )


def show_delivery(one: Delivery) -> DeliveryShown:
    return DeliveryShown(
        delivery=one.number,
        id=one.id,
        made=one.made,
        due=one.due,
        attempts=one.attempts,
        done=one.done,
        gave_up=one.gave_up,
        status=one.status,
        said=one.said or None,
        body=one.body,
    )
