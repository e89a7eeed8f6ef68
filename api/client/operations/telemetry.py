"""Operations: telemetry. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.telemetry import (
    Taken,
)

push_telemetry: Operation[bytes, Taken] = Operation(
    "push_telemetry",
    "POST",
    "/v1/telemetry/{vendor}/{serial}",
    bytes,
    Taken,
    keyed=True,
)
