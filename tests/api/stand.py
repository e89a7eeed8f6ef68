"""The API under a real uvicorn on a port of its own, and a client that speaks to it as strangers would."""

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from api.config import ApiConfig
from api.parts import AS_THEY_ARE, Judges, Parts
from api.serve import api_server
from tests.api.declared import require_declared
from tests.api.homes import ADMIN_TOKEN, TOKENS

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
#: Nothing here takes long; a test that hangs says where.
PATIENCE_S = 20.0


def signed(identity: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[identity]}"}


@dataclass(slots=True)
class Stand:
    """A served API. `http` signs in as the administrator; `bare` does not sign in."""

    http: httpx.AsyncClient
    bare: httpx.AsyncClient
    parts: Parts
    port: int
    _seq: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def push(self, identity: str, token_of: str = "", **reading: object) -> httpx.Response:
        """One reading of a device."""
        reading = {"boot": 1, "seq": next(self._seq), **reading}
        return await self.bare.post(f"/v1/telemetry/{identity}", json=reading, headers=signed(token_of or identity))

    async def alarm_at(self, identity: str) -> str:
        """Let a device see gas; the id of the alarm that follows."""
        before = {alarm["alarm"] for alarm in await self.alarms()}
        assert (await self.push(identity, high_alarm=True)).status_code == 200
        new = [alarm for alarm in await self.alarms() if alarm["alarm"] not in before]
        return str(next(alarm["alarm"] for alarm in new if alarm["device"] == identity))

    async def alarms(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.http.get(f"/v1/alarms{query}")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["alarms"]
        return found

    @contextlib.asynccontextmanager
    async def stream(self, query: str = "", **headers: str) -> AsyncIterator["Events"]:
        url = f"/v1/alarms/stream{query}"
        async with self.http.stream("GET", url, headers=headers, timeout=PATIENCE_S) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Events(answer.aiter_lines())


class Events:
    """Server-sent events, read by the letter of the standard as far as the tests need it."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments: list[str] = []

    async def next(self) -> dict[str, Any]:
        """The next event: its `id` and `event`, and the members of its data."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return {"id": fields.get("id"), "event": fields["event"], **json.loads(fields["data"])}
            else:
                fields = {}
        raise EOFError("the stream ended")

    async def comment(self) -> str:
        """The next comment; no event may come before it."""
        async for line in self._lines:
            if line.startswith(":"):
                return line[1:].strip()
            assert not line.startswith("data"), line
        raise EOFError("the stream ended")

    async def until(self, event: str) -> dict[str, Any]:
        while True:
            found = await self.next()
            if found["event"] == event:
                return found


@contextlib.asynccontextmanager
async def serving(config: ApiConfig, judges: Judges = AS_THEY_ARE) -> AsyncIterator[Stand]:
    """Serve until the block ends, on a socket that already listens: requests wait for the start by themselves."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = api_server(config, judges=judges)
    parts = server.config.app.state.parts  # type: ignore[union-attr]
    base = f"http://127.0.0.1:{port}"
    # With the application's check taken away, the fences behind it answer what no route does.
    hooks = {"response": [require_declared]} if judges is AS_THEY_ARE else {}
    # What uvicorn's `serve` does, without its signal handling (pytest has its own) and its 0.1 s tick.
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listening])
    try:
        async with (
            httpx.AsyncClient(base_url=base, headers=ADMIN, timeout=PATIENCE_S, event_hooks=hooks) as http,
            httpx.AsyncClient(base_url=base, timeout=PATIENCE_S, event_hooks=hooks) as bare,
        ):
            yield Stand(http, bare, parts, port)
    finally:
        await asyncio.wait_for(server.shutdown(sockets=[listening]), PATIENCE_S)
        listening.close()
