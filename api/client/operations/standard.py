"""Operations: standard. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.dictionary import (
    Dictionary,
)
from api.standard import (
    Standard,
)

get_standard: Operation[None, Standard] = Operation(
    "get_standard",
    "GET",
    "/v1/public/standard",
    None,
    Standard,
    query=("lang",),
)

get_standard_openapi: Operation[None, bytes] = Operation(
    "get_standard_openapi",
    "GET",
    "/v1/public/standard/openapi.json",
    None,
    bytes,
)

get_standard_asyncapi: Operation[None, bytes] = Operation(
    "get_standard_asyncapi",
    "GET",
    "/v1/public/standard/asyncapi.json",
    None,
    bytes,
)

get_standard_dictionary: Operation[None, Dictionary] = Operation(
    "get_standard_dictionary",
    "GET",
    "/v1/public/standard/dictionary",
    None,
    Dictionary,
    query=("lang",),
)
