"""The API under uvicorn, with its bounds set and streams that end when it is told to stop."""

import socket
from pathlib import Path

import uvicorn

from api.app import create_app
from api.config import ApiConfig
from api.connections import PunctualConnection
from api.parts import AS_THEY_ARE, Judges, Parts

#: Idle connections are kept for so long between two requests: a console polls more often, and devices that report
#: once a minute do not hold a place meanwhile (uvicorn's own default is 5).
KEEP_ALIVE_S = 10
#: What requests under way may still take once the process is told to stop. Streams end at once.
STOP_WITHIN_S = 5
#: Bytes of a request's head (uvicorn's h11 limit); tokens and cursors need a few hundred.
MOST_HEAD_BYTES = 16 * 1024


class ApiServer(uvicorn.Server):
    """uvicorn waits for open answers before it stops, and an alarm stream has no end of its own: end them first."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.feed.stop()
        await super().shutdown(sockets)


def _punctual(head_within_s: float, connections: int) -> type[PunctualConnection]:
    """uvicorn takes a class, so the limits travel as its attributes."""

    class Connection(PunctualConnection):
        pass

    Connection.head_within_s = head_within_s
    Connection.most = connections
    return Connection


def api_server(
    config: ApiConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    judges: Judges = AS_THEY_ARE,
) -> ApiServer:
    """A server to `await server.serve()` (or `server.run()`), with `sockets=[...]` where the caller has bound one.
    It installs uvicorn's signal handling: SIGINT and SIGTERM stop it within STOP_WITHIN_S."""
    app = create_app(config, judges)
    parts = app.state.parts
    assert isinstance(parts, Parts)
    return ApiServer(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            ssl_certfile=tls_cert,
            ssl_keyfile=tls_key,
            http=_punctual(config.limits.head_within_s, config.limits.connections),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        ),
        parts,
    )
