"""Signing in, as it is asked and answered."""

from typing import Annotated

from pydantic import Field, StringConstraints

from access.directory import Session
from access.principals import Membership
from access.roles import Role
from access.secrets import LOGIN_PATTERN, LONGEST_PASSWORD, SHORTEST_PASSWORD
from api.shapes import Asked, Shape, example
from api.times import Utc

Login = Annotated[str, StringConstraints(pattern=LOGIN_PATTERN), Field(examples=["wang.li"])]
NewPassword = Annotated[str, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)]
AnyPassword = Annotated[str, Field(max_length=LONGEST_PASSWORD)]
SessionId = Annotated[str, StringConstraints(pattern="^[a-z0-9]{1,40}$")]
EXAMPLE_PASSWORD = "four words and a number 7"  # noqa: S105  an example


class SignInRequest(Asked, json_schema_extra=example(login="wang.li", password=EXAMPLE_PASSWORD)):
    login: Login
    password: AnyPassword


class ProviderSignInRequest(Asked, json_schema_extra=example(id_token="eyJ...", nonce="...")):  # noqa: S106
    """What the provider gave for the nonce that `begin_provider_sign_in` gave."""

    id_token: str = Field(max_length=8_192)
    nonce: str = Field(max_length=100)


class PasswordByLink(Asked, json_schema_extra=example(secret="dvp_...", password=EXAMPLE_PASSWORD)):  # noqa: S106
    """A password by an administrator's one-time link."""

    secret: str = Field(max_length=100)
    password: NewPassword


class PasswordChange(Asked, json_schema_extra=example(old="the one before, 15 at least", new=EXAMPLE_PASSWORD)):
    old: AnyPassword
    new: NewPassword


class MembershipShown(Shape):
    """In what capacity, and where. `sites`: the only ones; empty: all that are the party's."""

    role: Role
    enterprise: str | None = Field(description="Key of the party; null: the platform's own people")
    sites: list[str]


class SessionShown(Shape):
    session: str
    began: Utc
    expires: Utc
    how: str = Field(description="`password`, or `external`")
    current: bool = Field(description="The one that this request came by")


class SessionsShown(Shape):
    sessions: list[SessionShown]


class SignedIn(Shape):
    """`token`: send it as `Authorization: Bearer`. It is shown this once."""

    token: str
    session: str
    expires: Utc
    account: str
    login: str
    memberships: list[MembershipShown]


class Challenge(Shape):
    """Send the person to the provider with this nonce."""

    issuer: str
    client: str
    nonce: str
    lives_s: int


class Me(Shape):
    """Who asks. `kind`: person, key, or administrator."""

    kind: str
    name: str = Field(description="As it stands in journals and in the record")
    account: str | None
    session: str | None
    memberships: list[MembershipShown]
    actions: list[str] = Field(description="What may be asked for at all")


def show_membership(one: Membership) -> MembershipShown:
    return MembershipShown(role=one.role, enterprise=one.enterprise or None, sites=sorted(one.sites))


def show_session(one: Session, current: str) -> SessionShown:
    return SessionShown(
        session=one.session, began=one.began, expires=one.expires, how=one.how, current=one.session == current
    )
