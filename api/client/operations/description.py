"""Operations: description. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)

get_description: Operation[None, bytes] = Operation(
    "get_description",
    "GET",
    "/openapi.json",
    None,
    bytes,
)
