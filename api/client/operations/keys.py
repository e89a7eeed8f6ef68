"""Operations: keys. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.keys import (
    KeyAsked,
    KeyMade,
    KeyShown,
    KeysShown,
)

list_keys: Operation[None, KeysShown] = Operation(
    "list_keys",
    "GET",
    "/v1/keys",
    None,
    KeysShown,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

create_key: Operation[KeyAsked, KeyMade] = Operation(
    "create_key",
    "POST",
    "/v1/keys",
    KeyAsked,
    KeyMade,
    keyed=True,
)

get_key: Operation[None, KeyShown] = Operation(
    "get_key",
    "GET",
    "/v1/keys/{key}",
    None,
    KeyShown,
)

revoke_key: Operation[None, KeyShown] = Operation(
    "revoke_key",
    "DELETE",
    "/v1/keys/{key}",
    None,
    KeyShown,
)
