"""A request with an Idempotency-Key is done once, whoever makes its route: sent again, it is answered again.

O1  The key belongs to its sender, the method and the path: somebody else's, or one used elsewhere, is another (as for
    instructions, api/instructions.py). It is remembered for a day (migration 0014).
O2  What was done is not done again, even when this process died before it could answer: then a second one hears 409
    (api/request_key.py has it taken with the change itself).
O3  An answer is kept sealed under the token that asked, which is kept nowhere: what is shown once, such as a key's
    secret, is shown again only to who asked for it, with the same token.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.types import Message, Receive, Scope, Send

from access.principals import Principal
from api.parts import Parts
from api.problems import BAD_PARAMETER, CONFLICT, Problem
from api.request_key import USED, RequestKey, under
from ingest.push import PushRefused, check_key
from storage import request_keys
from storage.tenants import Standing

_log = structlog.get_logger()

#: Bytes of a nonce of AES-GCM. NIST SP 800-38D, 5.2.1.1.
_NONCE = 12
#: Of an answer's headers, those that say something of the thing itself.
_KEPT_HEADERS = frozenset({b"content-type", b"etag", b"location"})
#: Of an answer that was given before.
REPLAYED = (b"idempotency-replayed", b"true")
#: How OpenAPI shows the header.
PARAMETER: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names the request: sent again with the same key within a day it is answered again, not done again",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128},
}


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


Serve = Callable[[Scope, Receive, Send], Awaitable[None]]


async def once(
    parts: Parts, who: Principal, token: str, key: str, ask: tuple[Scope, Receive, Send], serve: Serve
) -> None:
    """Serve a request, or answer it as before. `token`: what `who` signed in with. Raises Problem."""
    scope, receive, send = ask
    now_us = parts.config.now_us()
    named = RequestKey(_id(who, scope, key), now_us)
    async with parts.stored.asking(Standing.PLATFORM) as connection:
        kept = await request_keys.find(connection, named.id, now_us)
    if kept is not None:
        return await _send(send, _opened(kept, token, named.id), REPLAYED)
    messages: list[Message] = []

    async def heard(message: Message) -> None:
        messages.append(message)

    with under(named):
        await serve(scope, receive, heard)
    if named.taken:
        await _keep(parts, named.id, _sealed(_answer(messages), token, named.id))
    for message in messages:
        await send(message)


def _id(who: Principal, scope: Mapping[str, Any], key: str) -> str:
    try:
        said = check_key(key)
    except PushRefused as refused:
        raise Problem(BAD_PARAMETER, f"Idempotency-Key: {refused}") from refused
    whole = "\n".join((who.name, scope["method"], scope["path"], scope["query_string"].decode("latin-1"), said))
    return hashlib.sha256(whole.encode()).hexdigest()


async def _keep(parts: Parts, id_: str, answer: bytes) -> None:
    """The change is made; that its answer cannot be kept is no reason not to give it."""
    try:
        async with parts.stored.asking(Standing.PLATFORM, writing=True) as connection:
            await request_keys.keep(connection, id_, answer)
    except Problem as away:
        _log.warning("the answer to a request with a key was not kept", reason=str(away.detail))


def _answer(messages: list[Message]) -> _Answer:
    start, *rest = messages
    headers = [(name, value) for name, value in start["headers"] if name in _KEPT_HEADERS]
    return _Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))


async def _send(send: Send, answer: _Answer, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(answer.body)).encode())
    told = [*answer.headers, *headers, *([length] if answer.status != 204 else [])]
    await send({"type": "http.response.start", "status": answer.status, "headers": told})
    await send({"type": "http.response.body", "body": answer.body})


def _cipher(token: str, id_: str) -> AESGCM:
    """RFC 5869. The token has 256 random bits, so it needs no stretching."""
    return AESGCM(HKDF(hashes.SHA256(), 32, salt=None, info=id_.encode()).derive(token.encode()))


def _sealed(answer: _Answer, token: str, id_: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + _cipher(token, id_).encrypt(nonce, msgspec.msgpack.encode(answer), id_.encode())


def _opened(kept: request_keys.Kept, token: str, id_: str) -> _Answer:
    """Raises Problem (409)."""
    if kept.answer is None:
        raise Problem(CONFLICT, USED)
    try:
        plain = _cipher(token, id_).decrypt(kept.answer[:_NONCE], kept.answer[_NONCE:], id_.encode())
    except InvalidTag as another:
        raise Problem(CONFLICT, "It was done, and its answer opens only with the token that asked") from another
    return msgspec.msgpack.decode(plain, type=_Answer)
