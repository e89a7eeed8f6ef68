"""Operations: sign_in. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.session_shapes import (
    Challenge,
    Me,
    PasswordByLink,
    PasswordChange,
    ProviderSignInRequest,
    SessionsShown,
    SignedIn,
    SignInRequest,
)

sign_in: Operation[SignInRequest, SignedIn] = Operation(
    "sign_in",
    "POST",
    "/v1/session",
    SignInRequest,
    SignedIn,
)

begin_provider_sign_in: Operation[None, Challenge] = Operation(
    "begin_provider_sign_in",
    "POST",
    "/v1/session/provider/challenge",
    None,
    Challenge,
)

sign_in_by_provider: Operation[ProviderSignInRequest, SignedIn] = Operation(
    "sign_in_by_provider",
    "POST",
    "/v1/session/provider",
    ProviderSignInRequest,
    SignedIn,
)

set_password_by_link: Operation[PasswordByLink, None] = Operation(
    "set_password_by_link",
    "POST",
    "/v1/session/password",
    PasswordByLink,
    None,
)

sign_out: Operation[None, None] = Operation(
    "sign_out",
    "DELETE",
    "/v1/session",
    None,
    None,
)

list_own_sessions: Operation[None, SessionsShown] = Operation(
    "list_own_sessions",
    "GET",
    "/v1/sessions",
    None,
    SessionsShown,
)

end_own_session: Operation[None, None] = Operation(
    "end_own_session",
    "DELETE",
    "/v1/sessions/{session}",
    None,
    None,
)

change_own_password: Operation[PasswordChange, None] = Operation(
    "change_own_password",
    "POST",
    "/v1/me/password",
    PasswordChange,
    None,
)

get_me: Operation[None, Me] = Operation(
    "get_me",
    "GET",
    "/v1/me",
    None,
    Me,
)
