"""Operations: rules. Written by api/client/source.py."""

from api.backtest_shapes import (
    BacktestRequest,
)
from api.backtests import (
    Backtest,
    BacktestInFull,
    Backtests,
)
from api.client.operation import (
    Operation,
)
from api.explain_shapes import (
    Explanation,
)
from api.rule_shapes import (
    Rules,
    RulesChecked,
    RulesGiven,
    RulesOverTime,
)

list_rules: Operation[None, Rules] = Operation(
    "list_rules",
    "GET",
    "/v1/rules",
    None,
    Rules,
)

list_past_rules: Operation[None, RulesOverTime] = Operation(
    "list_past_rules",
    "GET",
    "/v1/rules/history",
    None,
    RulesOverTime,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_rule_pack: Operation[None, bytes] = Operation(
    "get_rule_pack",
    "GET",
    "/v1/rules/packs/{sha256}",
    None,
    bytes,
)

check_rules: Operation[RulesGiven, RulesChecked] = Operation(
    "check_rules",
    "POST",
    "/v1/rules/check",
    RulesGiven,
    RulesChecked,
)

begin_backtest: Operation[BacktestRequest, Backtest] = Operation(
    "begin_backtest",
    "POST",
    "/v1/rules/backtests",
    BacktestRequest,
    Backtest,
    keyed=True,
)

list_backtests: Operation[None, Backtests] = Operation(
    "list_backtests",
    "GET",
    "/v1/rules/backtests",
    None,
    Backtests,
)

get_backtest: Operation[None, BacktestInFull] = Operation(
    "get_backtest",
    "GET",
    "/v1/rules/backtests/{backtest}",
    None,
    BacktestInFull,
)

end_backtest: Operation[None, Backtest] = Operation(
    "end_backtest",
    "DELETE",
    "/v1/rules/backtests/{backtest}",
    None,
    Backtest,
)

explain_rules: Operation[None, Explanation] = Operation(
    "explain_rules",
    "GET",
    "/v1/devices/{vendor}/{serial}/explain",
    None,
    Explanation,
    query=(
        "at",
        "rule",
    ),
)
