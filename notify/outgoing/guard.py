"""A way out that cannot be turned inwards (OWASP API Security Top 10 2023, API7, server-side request forgery).

O1  A name is resolved once, and the address that was judged is the address that is connected to: an answer of the name
    server that changes between the two helps nobody. TLS still names and verifies the host.
O2  Every address of the name must be a public one. One that is not refuses the name as a whole, so that nobody chooses
    by luck which one is taken.
O3  https only, the usual port or one above 1023, no redirects, no proxies of the environment, no credentials
    in the address, and bounds on time and bytes. What a bound cuts off is a failure, and never half an answer.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

#: From the first packet to the last byte; and of the answer at most. Source: reliability practice of Standard Webhooks
#: receivers answers in seconds and with nothing to say; product choice within it.
WITHIN_S, MOST_ANSWER_BYTES = 5.0, 64 * 1024
_HTTPS = 443
#: Ports below are of other services that might be made to listen to what we say.
_FIRST_OTHER_PORT = 1024
_LONGEST_URL = 2_000


class Forbidden(ValueError):
    """This address may not be asked. Permanent; says why."""


class Unreached(ConnectionError):
    """Nobody answered in time and within bounds. Transient."""


@dataclass(frozen=True, slots=True)
class Answer:
    """status: HTTP's. body: what came, at most MOST_ANSWER_BYTES."""

    status: int
    headers: dict[str, str]
    body: bytes


def public(address: Address) -> bool:
    """O2. An IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) is judged by itself too."""
    if isinstance(address, ipaddress.IPv6Address):
        within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            within.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(one is not None and not one.is_global for one in within):
            return False
    return address.is_global and not address.is_multicast


def url_faults(url: str) -> str:
    """Why this may not be an address to send to, in words; empty where it may, as far as its text tells (O3)."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return f"an address is at most {_LONGEST_URL} printable ASCII characters"
    try:
        parts = urlsplit(url)
        port = parts.port or _HTTPS
    except ValueError as wrong:
        return str(wrong)
    if parts.scheme != "https":
        return "only https:// is sent to"
    if not parts.hostname:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it holds credentials; the signature is what tells who sends"
    if parts.fragment:
        return "it holds a fragment"
    if port != _HTTPS and port < _FIRST_OTHER_PORT:
        return f"port {port} is another service's; take 443 or one from {_FIRST_OTHER_PORT}"
    return ""


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, by the system's resolver. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


@dataclass(frozen=True, slots=True)
class Guard:
    """admits: which addresses may be asked (`public`; a test hands in another). trusted: of TLS, None: the system's."""

    admits: Callable[[Address], bool] = public
    resolver: Resolve = resolve
    trusted: ssl.SSLContext | None = None
    within_s: float = WITHIN_S

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Raises Forbidden, Unreached."""
        fault = url_faults(url)
        if fault:
            raise Forbidden(fault)
        try:
            async with asyncio.timeout(self.within_s):
                return await self._post(url, body, headers)
        except TimeoutError as slow:
            raise Unreached(f"no whole answer within {self.within_s:g} s") from slow
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as wrong:
            if isinstance(wrong, Unreached):
                raise
            raise Unreached(f"{type(wrong).__name__}: {wrong}"[:300]) from wrong

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        address = await self._address(url)
        async with httpcore.AsyncConnectionPool(
            ssl_context=self.trusted or ssl.create_default_context(),
            network_backend=_Pinned(address),
            http2=False,
            retries=0,
            max_connections=1,
        ) as pool:
            sent = [(name.encode(), value.encode()) for name, value in headers.items()]
            host = urlsplit(url).netloc.encode()
            request = httpcore.Request(
                "POST",
                url,
                headers=[(b"Host", host), (b"Content-Length", str(len(body)).encode()), *sent],
                content=body,
            )
            answer = await pool.handle_async_request(request)
            try:
                return Answer(answer.status, _headers(answer.headers), await _bounded(answer))
            finally:
                await answer.aclose()

    async def _address(self, url: str) -> str:
        """O1, O2."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        try:
            found = await self.resolver(parts.hostname, parts.port or _HTTPS)
        except UnicodeError as wrong:  # a label that is longer than names may be
            raise Forbidden(f"{parts.hostname[:80]} is no name of a host: {wrong}") from wrong
        except OSError as wrong:
            raise Unreached(f"the name {parts.hostname} has no address: {wrong}") from wrong
        for text in found:
            if not self.admits(ipaddress.ip_address(text.partition("%")[0])):
                raise Forbidden(f"{parts.hostname} is {text}, which is no public address")
        if not found:
            raise Unreached(f"the name {parts.hostname} has no address")
        return found[0]


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to one address, whatever host is named; TLS goes on naming the host (O1)."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._real = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._real.connect_tcp(self._address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("no socket of this machine is sent to")

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _bounded(answer: httpcore.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_stream():
        size += len(part)
        if size > MOST_ANSWER_BYTES:
            raise Unreached(f"the answer is longer than {MOST_ANSWER_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
