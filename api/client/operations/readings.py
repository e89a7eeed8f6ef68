"""Operations: readings. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.reading_shapes import (
    Latest,
)

get_latest_reading: Operation[None, Latest] = Operation(
    "get_latest_reading",
    "GET",
    "/v1/devices/{vendor}/{serial}/latest",
    None,
    Latest,
)

list_readings: Operation[None, bytes] = Operation(
    "list_readings",
    "GET",
    "/v1/devices/{vendor}/{serial}/readings",
    None,
    bytes,
    query=(
        "from",
        "to",
        "resolution",
        "order",
        "cursor",
        "limit",
    ),
)
