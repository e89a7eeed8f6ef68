"""Operations: accounts. Written by api/client/source.py."""

from api.account_shapes import (
    AccountInFull,
    AccountMade,
    AccountShown,
    AccountsShown,
    LinkShown,
    MembershipsAsked,
    NewAccountAsked,
)
from api.client.operation import (
    Operation,
)

list_accounts: Operation[None, AccountsShown] = Operation(
    "list_accounts",
    "GET",
    "/v1/accounts",
    None,
    AccountsShown,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

create_account: Operation[NewAccountAsked, AccountMade] = Operation(
    "create_account",
    "POST",
    "/v1/accounts",
    NewAccountAsked,
    AccountMade,
    keyed=True,
)

get_account: Operation[None, AccountInFull] = Operation(
    "get_account",
    "GET",
    "/v1/accounts/{account}",
    None,
    AccountInFull,
)

set_memberships: Operation[MembershipsAsked, AccountShown] = Operation(
    "set_memberships",
    "PUT",
    "/v1/accounts/{account}/memberships",
    MembershipsAsked,
    AccountShown,
)

disable_account: Operation[None, AccountShown] = Operation(
    "disable_account",
    "POST",
    "/v1/accounts/{account}/disable",
    None,
    AccountShown,
    keyed=True,
)

enable_account: Operation[None, AccountShown] = Operation(
    "enable_account",
    "POST",
    "/v1/accounts/{account}/enable",
    None,
    AccountShown,
    keyed=True,
)

reset_account: Operation[None, LinkShown] = Operation(
    "reset_account",
    "POST",
    "/v1/accounts/{account}/reset",
    None,
    LinkShown,
    keyed=True,
)
