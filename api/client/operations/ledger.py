"""Operations: ledger. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.ledger import (
    Ledger,
)

get_ledger: Operation[None, Ledger] = Operation(
    "get_ledger",
    "GET",
    "/v1/ledger",
    None,
    Ledger,
    query=("count_rows",),
)
