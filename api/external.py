"""An external OpenID Connect provider: its tokens, verified.

J1  What a token says counts after its signature was verified with a key of the issuer, by an algorithm of the list:
    none is symmetric, so no public key can be passed off as a secret, and `none` is not among them.
J2  issuer and audience are compared exactly; ID tokens are for the sign-in and have the client as audience, access
    tokens are for requests and have the API's; neither does for the other. exp and iat must be there.
J3  A nonce is one that this process gave out, within NONCE_LIVES_S, once.
J4  The issuer is asked at most every ASK_EVERY_S, whatever is sent to us; keys are believed for KEYS_LIVE_S, and
    longer while it does not answer. No redirect is followed, and no answer is longer than MOST_BYTES.
"""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

_log = structlog.get_logger()

#: J1. RFC 7518, section 3.1; RFC 8037. The recommended ones.
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
#: Clocks of others may differ so much. Source: product choice.
LEEWAY_S = 60
NONCE_LIVES_S, MOST_NONCES = 600.0, 10_000
KEYS_LIVE_S, ASK_EVERY_S = 600.0, 10.0
ANSWER_WITHIN_S, MOST_BYTES = 5.0, 256 * 1024
#: A token is not longer: a request's head is at most 16 KiB.
MOST_TOKEN = 8 * 1024


@dataclass(frozen=True, slots=True)
class Provider:
    """issuer: its URL, as its tokens have it. client: audience of ID tokens; audience: of access tokens, empty: none
    are taken."""

    issuer: str
    client: str
    audience: str = ""


class NotGenuine(PermissionError):
    """This token proves nothing. The text is for the log. Permanent."""


class ProviderAway(ConnectionError):
    """The provider's keys cannot be had now. Transient."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who it is there."""

    issuer: str
    subject: str


class External:
    """Of one provider."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_s = self._known_s = float("-inf")
        self._asking = asyncio.Lock()
        self._nonces: OrderedDict[str, float] = OrderedDict()

    def challenge(self) -> str:
        """A nonce (J3)."""
        nonce = secrets.token_urlsafe(24)
        self._nonces[nonce] = time.monotonic() + NONCE_LIVES_S
        while len(self._nonces) > MOST_NONCES:
            self._nonces.popitem(last=False)
        return nonce

    async def id_token(self, token: str, nonce: str, now_us: int) -> Elsewhere:
        """Whose sign-in it is. Raises NotGenuine, ProviderAway."""
        if self._nonces.pop(nonce, 0.0) < time.monotonic():
            raise NotGenuine("the nonce is none of ours, or was used, or is too old")
        claims = await self._claims(token, self.provider.client, now_us)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise NotGenuine("the token is for another nonce")
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self.provider.client:
            raise NotGenuine("the token was made for another client (azp)")
        return Elsewhere(self.provider.issuer, str(claims["sub"]))

    async def access_token(self, token: str, now_us: int) -> Elsewhere:
        """Who asks. Raises NotGenuine, ProviderAway."""
        if not self.provider.audience:
            raise NotGenuine("no access tokens are taken: no audience is set")
        claims = await self._claims(token, self.provider.audience, now_us)
        if "nonce" in claims:
            raise NotGenuine("an ID token is for signing in, and no access token")
        return Elsewhere(self.provider.issuer, str(claims["sub"]))

    async def _claims(self, token: str, audience: str, now_us: int) -> dict[str, Any]:
        if not 0 < len(token) <= MOST_TOKEN:
            raise NotGenuine("this is too long to be a token")
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in ALGORITHMS:
                raise NotGenuine(f"signed by {str(head.get('alg'))[:20]!r}, which is not taken")
            key = await self._key(str(head.get("kid", "")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=audience,
                issuer=self.provider.issuer,
                # Times are looked at below, by the clock that is given.
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as wrong:
            raise NotGenuine(str(wrong)) from wrong
        _in_time(claims, now_us // 1_000_000)
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK:
        async with self._asking:
            now_s = time.monotonic()
            stale = now_s - self._known_s > KEYS_LIVE_S
            if (stale or kid not in self._keys) and now_s - self._asked_s >= ASK_EVERY_S:
                self._asked_s = now_s
                try:
                    self._keys, self._known_s = await self._ask(), now_s
                except (httpx.HTTPError, ValueError, TypeError, KeyError, jwt.PyJWTError) as wrong:
                    _log.warning("the provider's keys cannot be had", issuer=self.provider.issuer, why=str(wrong))
        found = self._keys.get(kid)
        if found is None:
            if not self._keys:
                raise ProviderAway(f"the keys of {self.provider.issuer} cannot be had now")
            raise NotGenuine(f"no key {kid[:40]!r} is the issuer's")
        return found

    async def _ask(self) -> dict[str, jwt.PyJWK]:
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S, follow_redirects=False, trust_env=False) as client:
            where = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            said = await _json(client, where)
            if said.get("issuer") != self.provider.issuer:
                raise ValueError(f"{where} says that it is {str(said.get('issuer'))[:200]!r}")
            at = str(said["jwks_uri"])
            if urlsplit(at).scheme != urlsplit(self.provider.issuer).scheme:
                raise ValueError(f"{at[:200]!r} is less safe than the issuer")
            listed = (await _json(client, at))["keys"]
        keys = [one for one in listed if one.get("kty") != "oct" and one.get("use", "sig") == "sig" and "kid" in one]
        return {str(one["kid"]): jwt.PyJWK(one) for one in keys}


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MOST_BYTES:
                raise ValueError(f"{url} answers more than {MOST_BYTES} bytes")
    said: dict[str, Any] = httpx.Response(200, content=body).json()
    return said


def _in_time(claims: dict[str, Any], now_s: int) -> None:
    expires, made, begins = (claims.get(name, now_s) for name in ("exp", "iat", "nbf"))
    if not all(isinstance(one, int | float) for one in (expires, made, begins)):
        raise NotGenuine("exp, iat and nbf are numbers")
    if now_s > expires + LEEWAY_S:
        raise NotGenuine("the token has expired")
    if max(made, begins) > now_s + LEEWAY_S:
        raise NotGenuine("the token is of a time to come")
