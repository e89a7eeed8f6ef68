"""Accounts, as they are asked for and shown."""

from typing import Annotated

from pydantic import Field, StringConstraints

from access.directory import Account
from access.principals import Membership
from access.roles import Role
from api.session_shapes import Login, MembershipShown, SessionId, SessionShown, show_membership
from api.shapes import Asked, Page, Shape, example
from api.times import Utc

AccountId = Annotated[str, StringConstraints(pattern="^[a-z0-9]{1,40}$")]
#: The key of a party or of a site.
Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class MembershipAsked(Asked, json_schema_extra=example(role="operator", enterprise="cq-gas")):
    role: Role
    enterprise: Annotated[str, Field(max_length=200, description="Key of the party; empty: the platform's own")] = ""
    sites: list[Key] = Field(
        default=[], max_length=1_000, description="Only these of the party's; a resident's, who has one at least"
    )

    def membership(self) -> Membership:
        return Membership(self.role, self.enterprise, sites=frozenset(self.sites))


class NewAccountAsked(
    Asked, json_schema_extra=example(login="wang.li", memberships=[{"role": "operator", "enterprise": "cq-gas"}])
):
    """A login is a name of the account: neither an address nor a number of the person."""

    login: Login
    memberships: list[MembershipAsked] = Field(min_length=1, max_length=20)
    subject: Annotated[str, Field(max_length=255)] = Field(
        default="", description="Who it is at the installation's OpenID Connect provider (`sub`); empty: nobody there"
    )


class MembershipsAsked(Asked, json_schema_extra=example(memberships=[{"role": "field_crew", "enterprise": "cq-gas"}])):
    """All that the account may act as from now on; of an administrator of one party, all of that party."""

    memberships: list[MembershipAsked] = Field(max_length=20)


class AccountShown(Shape):
    account: str
    login: str
    disabled: bool
    external: bool = Field(description="Signs in at the installation's OpenID Connect provider")
    memberships: list[MembershipShown] = Field(description="Those of the parties that are yours to see")


class AccountsShown(Page):
    accounts: list[AccountShown]


class LinkShown(Shape):
    """`secret` sets the password once (`POST /v1/session/password`); it is shown this once. Hand it over in person."""

    account: str
    secret: str
    expires: Utc


class AccountMade(Shape):
    account: AccountShown
    link: LinkShown | None = Field(description="Null: the person signs in elsewhere")


class AccountInFull(Shape):
    account: AccountShown
    sessions: list[SessionShown] = Field(description="Those that go on, newest first")


def show_account(one: Account) -> AccountShown:
    return AccountShown(
        account=one.account,
        login=one.login,
        disabled=one.disabled,
        external=bool(one.issuer),
        memberships=[show_membership(member) for member in one.memberships],
    )


__all__ = [
    "AccountId",
    "AccountInFull",
    "AccountMade",
    "AccountShown",
    "AccountsShown",
    "Key",
    "LinkShown",
    "MembershipAsked",
    "MembershipsAsked",
    "NewAccountAsked",
    "SessionId",
    "show_account",
]
