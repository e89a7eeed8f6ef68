"""Whatever is asked, the answer is an answer: never a 500, never a stack trace, always a problem document."""

import random
from pathlib import Path
from typing import Any

from api.app import create_app
from tests.api.conftest import config_of
from tests.api.stand import Stand

#: Requests per run. A longer run changes the seed and the number, nothing else.
MANY, SEED = 600, 1815
WORDS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1",
        "1e999",
        "NaN",
        "null",
        "true",
        "9" * 40,
        "a" * 300,
        "é",
        "٣",
        "\ud83d\ude00",
        "\x00",
        "\n",
    ),
    *(
        "' OR 1=1 --",
        "%",
        "%s",
        "{}",
        "../..",
        "0" * 32,
        "f" * 32,
        "acme",
        "d1",
        "v1",
        "raw",
        "1m",
        "1h",
        "asc",
        "critical",
    ),
    *(
        "2026-11-20T08:30:56Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-11-20T08:30:56+23:59",
        "engine-a:10",
    ),
)


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    document = create_app(config_of(Path("/nowhere"))).openapi()
    return [
        (method.upper(), path, operation)
        for path, operations in sorted(document["paths"].items())
        for method, operation in sorted(operations.items())
        if path != "/v1/alarms/stream"  # it has no end
    ]


async def test_no_request_makes_the_api_fail(stand: Stand) -> None:
    chance, operations = random.Random(SEED), _operations()
    for _ in range(MANY):
        method, path, operation = chance.choice(operations)
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        for parameter in operation.get("parameters", ()):
            value = chance.choice(WORDS).encode("utf-8", "replace").decode()
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", value.replace("/", "").replace("%", "%25") or "x")
            elif parameter["in"] == "query" and chance.random() < 0.7:
                query[parameter["name"]] = value
            elif parameter["in"] == "header" and value.isascii() and value.isprintable() and value.strip():
                headers[parameter["name"]] = value.strip()
        path = "".join(char if char.isprintable() and char != " " else f"%{ord(char):02X}" for char in path)
        body = chance.choice((b"", b"{}", b"[]", b"{", b"null", b'{"reason":"x"}', b'{"reason":1}', b"\xff" * 50))
        answer = await stand.http.request(method, path, params=query, headers=headers, content=body)
        assert answer.status_code < 500 or answer.json()["type"] == "urn:davy:problem:database-away", (
            method,
            path,
            query,
        )
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
