"""Operations: scorecards. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.scorecard_shapes import (
    CardAsked,
    CardHead,
    Cards,
    CardShown,
    PromiseGiven,
    Promises,
    PromiseShown,
)

list_scorecards: Operation[None, Cards] = Operation(
    "list_scorecards",
    "GET",
    "/v1/scorecards",
    None,
    Cards,
    query=(
        "enterprise",
        "month",
        "published",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_scorecard: Operation[None, CardShown] = Operation(
    "get_scorecard",
    "GET",
    "/v1/scorecards/{scorecard}",
    None,
    CardShown,
)

download_scorecard_csv: Operation[None, bytes] = Operation(
    "download_scorecard_csv",
    "GET",
    "/v1/scorecards/{scorecard}/card.csv",
    None,
    bytes,
)

download_scorecard_xlsx: Operation[None, bytes] = Operation(
    "download_scorecard_xlsx",
    "GET",
    "/v1/scorecards/{scorecard}/card.xlsx",
    None,
    bytes,
    query=("lang",),
)

make_scorecard: Operation[CardAsked, CardShown] = Operation(
    "make_scorecard",
    "POST",
    "/v1/scorecards/areas/{area}",
    CardAsked,
    CardShown,
    keyed=True,
)

publish_scorecard: Operation[None, CardHead] = Operation(
    "publish_scorecard",
    "POST",
    "/v1/scorecards/{scorecard}/publish",
    None,
    CardHead,
    keyed=True,
)

list_promises: Operation[None, Promises] = Operation(
    "list_promises",
    "GET",
    "/v1/enterprises/{enterprise}/promises",
    None,
    Promises,
)

promise_response: Operation[PromiseGiven, PromiseShown] = Operation(
    "promise_response",
    "POST",
    "/v1/enterprises/{enterprise}/promises",
    PromiseGiven,
    PromiseShown,
    keyed=True,
)
