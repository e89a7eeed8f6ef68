"""A receiver of webhooks: a real HTTPS server on loopback with a certificate of its own authority, that misbehaves as
it is told to."""

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(slots=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """answer: what the next requests are answered with; None: nothing is ever said."""

    port: int
    trusted: ssl.SSLContext
    answer: bytes | None = OK
    endless: bool = False
    on_received: Callable[[Received], None] = lambda _: None
    received: list[Received] = field(default_factory=list)

    def url(self, host: str = "receiver.example", path: str = "/hook") -> str:
        return f"https://{host}:{self.port}{path}"


def certificate(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate with its key for `host`, and a context that trusts it and nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    path = folder / f"{host}.pem"
    path.write_bytes(pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path, ssl.create_default_context(cadata=pem.decode())


@contextlib.asynccontextmanager
async def receiving(folder: Path, host: str = "receiver.example") -> AsyncIterator[Receiver]:
    path, trusted = certificate(folder, host)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    receiver = Receiver(0, trusted)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            receiver.received.append(Received(headers, body))
            receiver.on_received(receiver.received[-1])
            if receiver.answer is None:
                await reader.read()  # until the other side has had enough
            else:
                writer.write(receiver.answer)
                while receiver.endless:
                    writer.write(b"x" * 4096)
                    await writer.drain()
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


def resolver(*addresses: str) -> Callable[[str, int], "asyncio.Future[list[str]]"]:
    """A name server that knows one answer."""

    async def found(host: str, port: int) -> list[str]:
        return list(addresses)

    return found  # type: ignore[return-value]
