"""Every answer that a test of the API gets is one that the description declares, or the test fails."""

import functools
import re
from pathlib import Path
from typing import Any

import httpx

from api.app import create_app
from api.config import ApiConfig
from devices.sites import token_sha256
from tests.api.homes import ADMIN_TOKEN


@functools.cache
def description() -> dict[str, Any]:
    """The whole API's; made once, because it takes a second or more."""
    config = ApiConfig(door=Path("/nowhere"), database_url=None, admin_token_sha256=token_sha256(ADMIN_TOKEN))
    document: dict[str, Any] = create_app(config).openapi()
    return document


@functools.cache
def _statuses() -> dict[str, list[tuple[re.Pattern[str], frozenset[int]]]]:
    """Method -> each path and what it may answer; those without a variable first, as they are served."""
    found: dict[str, list[tuple[re.Pattern[str], frozenset[int]]]] = {}
    for path, operations in sorted(description()["paths"].items(), key=lambda item: item[0].count("{")):
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
        for method, operation in operations.items():
            declared = frozenset(int(status) for status in operation["responses"])
            found.setdefault(method.upper(), []).append((pattern, declared))
    return found


async def require_declared(answer: httpx.Response) -> None:
    """Of a path or method that the API does not have there is nothing to declare."""
    path = answer.request.url.path
    for pattern, declared in _statuses().get(answer.request.method, ()):
        if pattern.fullmatch(path):
            assert answer.status_code in declared, f"{answer.request.method} {path}: {answer.status_code} is undeclared"
            return
