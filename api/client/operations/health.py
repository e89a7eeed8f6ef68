"""Operations: health. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.health import (
    Alive,
    Ready,
)

get_health: Operation[None, Alive] = Operation(
    "get_health",
    "GET",
    "/healthz",
    None,
    Alive,
)

get_readiness: Operation[None, Ready] = Operation(
    "get_readiness",
    "GET",
    "/readyz",
    None,
    Ready,
)

get_metrics: Operation[None, bytes] = Operation(
    "get_metrics",
    "GET",
    "/metrics",
    None,
    bytes,
)
