"""A small OpenID Connect provider of our own, with its own keys, over real HTTP in a thread: what a real one publishes,
and tokens as a real one signs them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


@dataclass(slots=True)
class Issuer:
    """`asked`: how often its keys were asked for."""

    url: str
    keys: dict[str, Any] = field(default_factory=dict)
    asked: int = 0

    def add_key(self, kid: str, kind: str = "RSA") -> None:
        made = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
        self.keys[kid] = made

    def published(self) -> list[dict[str, Any]]:
        return [
            {
                **json.loads(
                    RSAAlgorithm.to_jwk(key.public_key())
                    if isinstance(key, rsa.RSAPrivateKey)
                    else ECAlgorithm.to_jwk(key.public_key())
                ),
                "kid": kid,
                "use": "sig",
                **({"alg": "PS256"} if kid == "ps" else {}),
            }
            for kid, key in self.keys.items()
        ]

    def token(self, now_s: int, *, kid: str = "k1", algorithm: str = "RS256", key: Any = None, **claims: Any) -> str:
        body = {"iss": self.url, "sub": "u1", "aud": "davy", "iat": now_s, "exp": now_s + 300} | claims
        body = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(body, key or self.keys[kid], algorithm=algorithm, headers={"kid": kid})


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Serve until the block ends."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/.well-known/openid-configuration":
                said: Any = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
            else:
                issuer.asked += 1
                said = {"keys": issuer.published()}
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
    issuer.add_key("k1")
    issuer.add_key("k2", "EC")
    issuer.add_key("ps")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
