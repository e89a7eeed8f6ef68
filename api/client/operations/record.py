"""Operations: record. Written by api/client/source.py."""

from api.audit import (
    HeadsPage,
    Record,
)
from api.client.operation import (
    Operation,
)

read_platform_record: Operation[None, Record] = Operation(
    "read_platform_record",
    "GET",
    "/v1/audit",
    None,
    Record,
    query=(
        "from",
        "to",
        "kind",
        "by",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

read_record: Operation[None, Record] = Operation(
    "read_record",
    "GET",
    "/v1/enterprises/{enterprise}/audit",
    None,
    Record,
    query=(
        "from",
        "to",
        "kind",
        "by",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

export_record: Operation[None, bytes] = Operation(
    "export_record",
    "GET",
    "/v1/enterprises/{enterprise}/audit/export",
    None,
    bytes,
    query=("from_n",),
)

list_record_heads: Operation[None, HeadsPage] = Operation(
    "list_record_heads",
    "GET",
    "/v1/public/audit/heads",
    None,
    HeadsPage,
    query=("after",),
    cursor="after",
)
