"""Operations: commands. Written by api/client/source.py."""

from api.alarm_shapes import (
    Instructed,
)
from api.client.operation import (
    Operation,
)
from api.command_shapes import (
    CancelRequest,
    CloseAccepted,
    CloseRequest,
    Command,
)

close_valve: Operation[CloseRequest, CloseAccepted] = Operation(
    "close_valve",
    "POST",
    "/v1/devices/{vendor}/{serial}/close",
    CloseRequest,
    CloseAccepted,
    keyed=True,
)

get_command: Operation[None, Command] = Operation(
    "get_command",
    "GET",
    "/v1/commands/{wanted}",
    None,
    Command,
)

cancel_close: Operation[CancelRequest, Instructed] = Operation(
    "cancel_close",
    "POST",
    "/v1/commands/{wanted}/cancel",
    CancelRequest,
    Instructed,
    keyed=True,
)
