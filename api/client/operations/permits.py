"""Operations: permits. Written by api/client/source.py."""

from api.alarm_shapes import (
    Instructed,
)
from api.client.operation import (
    Operation,
)
from api.valve_permit_shapes import (
    CompletionRequest,
    PastValvePermits,
    PermitRequest,
    ValvePermitInFull,
    ValvePermits,
    WithdrawalRequest,
)

request_permit: Operation[PermitRequest, Instructed] = Operation(
    "request_permit",
    "POST",
    "/v1/devices/{vendor}/{serial}/permit",
    PermitRequest,
    Instructed,
    keyed=True,
)

list_permits: Operation[None, ValvePermits] = Operation(
    "list_permits",
    "GET",
    "/v1/permits",
    None,
    ValvePermits,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_past_permits: Operation[None, PastValvePermits] = Operation(
    "list_past_permits",
    "GET",
    "/v1/permits/history",
    None,
    PastValvePermits,
    query=(
        "from",
        "to",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_permit: Operation[None, ValvePermitInFull] = Operation(
    "get_permit",
    "GET",
    "/v1/permits/{permit}",
    None,
    ValvePermitInFull,
)

approve_permit: Operation[None, Instructed] = Operation(
    "approve_permit",
    "POST",
    "/v1/permits/{permit}/approve",
    None,
    Instructed,
    keyed=True,
)

withdraw_permit: Operation[WithdrawalRequest, Instructed] = Operation(
    "withdraw_permit",
    "POST",
    "/v1/permits/{permit}/withdraw",
    WithdrawalRequest,
    Instructed,
    keyed=True,
)

complete_permit: Operation[CompletionRequest, Instructed] = Operation(
    "complete_permit",
    "POST",
    "/v1/permits/{permit}/complete",
    CompletionRequest,
    Instructed,
    keyed=True,
)
