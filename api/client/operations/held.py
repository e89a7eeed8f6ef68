"""Operations: held. Written by api/client/source.py."""

from api.alarm_shapes import (
    Instructed,
)
from api.client.operation import (
    Operation,
)
from api.valve_permit_shapes import (
    HeldShutOffs,
    PastHeld,
    ReleaseRequest,
    VetoRequest,
)

list_held: Operation[None, HeldShutOffs] = Operation(
    "list_held",
    "GET",
    "/v1/held",
    None,
    HeldShutOffs,
    query=(
        "rule",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_past_held: Operation[None, PastHeld] = Operation(
    "list_past_held",
    "GET",
    "/v1/held/history",
    None,
    PastHeld,
    query=(
        "from",
        "to",
        "rule",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

release_held: Operation[ReleaseRequest, Instructed] = Operation(
    "release_held",
    "POST",
    "/v1/held/release",
    ReleaseRequest,
    Instructed,
    keyed=True,
)

veto_held: Operation[VetoRequest, Instructed] = Operation(
    "veto_held",
    "POST",
    "/v1/held/veto",
    VetoRequest,
    Instructed,
    keyed=True,
)
