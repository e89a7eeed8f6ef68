"""Operations: sharing. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.grant_shapes import (
    GrantAsked,
    GrantShown,
    GrantsShown,
)
from api.shared import (
    SharedAlarms,
    SharedChanges,
    SharedDevices,
    SharedReadings,
)
from api.webhook_shapes import (
    AgainAsked,
    DeliveriesShown,
    OffAsked,
    RotationAsked,
    SentAgain,
    WebhookAsked,
    WebhookMade,
    WebhookShown,
    WebhooksShown,
)

list_grants: Operation[None, GrantsShown] = Operation(
    "list_grants",
    "GET",
    "/v1/enterprises/{enterprise}/grants",
    None,
    GrantsShown,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

make_grant: Operation[GrantAsked, GrantShown] = Operation(
    "make_grant",
    "POST",
    "/v1/enterprises/{enterprise}/grants",
    GrantAsked,
    GrantShown,
    keyed=True,
)

get_grant: Operation[None, GrantShown] = Operation(
    "get_grant",
    "GET",
    "/v1/enterprises/{enterprise}/grants/{grant}",
    None,
    GrantShown,
)

accept_grant: Operation[None, GrantShown] = Operation(
    "accept_grant",
    "POST",
    "/v1/enterprises/{enterprise}/grants/{grant}/accept",
    None,
    GrantShown,
    keyed=True,
)

end_grant: Operation[None, GrantShown] = Operation(
    "end_grant",
    "POST",
    "/v1/enterprises/{enterprise}/grants/{grant}/end",
    None,
    GrantShown,
    keyed=True,
)

follow_shared_changes: Operation[None, SharedChanges] = Operation(
    "follow_shared_changes",
    "GET",
    "/v1/shared/{grant}/changes",
    None,
    SharedChanges,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_shared_alarms: Operation[None, SharedAlarms] = Operation(
    "list_shared_alarms",
    "GET",
    "/v1/shared/{grant}/alarms",
    None,
    SharedAlarms,
    query=(
        "from",
        "to",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_shared_devices: Operation[None, SharedDevices] = Operation(
    "list_shared_devices",
    "GET",
    "/v1/shared/{grant}/devices",
    None,
    SharedDevices,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_shared_readings: Operation[None, SharedReadings] = Operation(
    "list_shared_readings",
    "GET",
    "/v1/shared/{grant}/readings",
    None,
    SharedReadings,
    query=(
        "device",
        "from",
        "to",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_webhooks: Operation[None, WebhooksShown] = Operation(
    "list_webhooks",
    "GET",
    "/v1/enterprises/{enterprise}/webhooks",
    None,
    WebhooksShown,
)

make_webhook: Operation[WebhookAsked, WebhookMade] = Operation(
    "make_webhook",
    "POST",
    "/v1/enterprises/{enterprise}/webhooks",
    WebhookAsked,
    WebhookMade,
    keyed=True,
)

get_webhook: Operation[None, WebhookShown] = Operation(
    "get_webhook",
    "GET",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}",
    None,
    WebhookShown,
)

remove_webhook: Operation[None, None] = Operation(
    "remove_webhook",
    "DELETE",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}",
    None,
    None,
)

rotate_webhook_secret: Operation[RotationAsked, WebhookMade] = Operation(
    "rotate_webhook_secret",
    "POST",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}/rotate",
    RotationAsked,
    WebhookMade,
    keyed=True,
)

turn_webhook_off: Operation[OffAsked, WebhookShown] = Operation(
    "turn_webhook_off",
    "POST",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}/off",
    OffAsked,
    WebhookShown,
    keyed=True,
)

turn_webhook_on: Operation[None, WebhookShown] = Operation(
    "turn_webhook_on",
    "POST",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}/on",
    None,
    WebhookShown,
    keyed=True,
)

list_deliveries: Operation[None, DeliveriesShown] = Operation(
    "list_deliveries",
    "GET",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}/deliveries",
    None,
    DeliveriesShown,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

send_again: Operation[AgainAsked, SentAgain] = Operation(
    "send_again",
    "POST",
    "/v1/enterprises/{enterprise}/webhooks/{webhook}/again",
    AgainAsked,
    SentAgain,
    keyed=True,
)
