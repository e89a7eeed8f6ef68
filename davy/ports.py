"""Ports to listen on: bound, or refused with one clear line."""

import errno
import socket

from davy.exits import CannotGoOn, Exit
from davy.settings import variable

_WORDS = {
    errno.EADDRINUSE: "is in use",
    errno.EACCES: "may not be bound by this user (ports below 1024 need a privilege)",
    errno.EADDRNOTAVAIL: "cannot be bound: this machine has no such address",
}


def listen(host: str, port: int, side: str) -> socket.socket:
    """A socket bound to host and port, not yet listening; port 0 takes a free one. `side`: mqtt or http, to name the
    settings. Raises CannotGoOn (port)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as unknown:
        raise CannotGoOn(
            Exit.PORT, f"{variable(f'{side}_host')} = {host!r}: {unknown.strerror}; name an address of this machine"
        ) from unknown
    bound = socket.socket(family, kind, protocol)
    try:
        # Connections of our own last run in TIME_WAIT must not keep us from starting; a listener still does.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        words = _WORDS.get(error.errno or 0, error.strerror or str(error))
        raise CannotGoOn(
            Exit.PORT,
            f"port {port} on {host} {words}: stop what listens there, or set {variable(f'{side}_port')}",
        ) from error
    return bound


def check_free(host: str, port: int, side: str) -> None:
    """Raises CannotGoOn (port) when nobody could listen there now."""
    with listen(host, port, side) as bound:
        try:
            bound.listen(1)
        except OSError as error:
            raise CannotGoOn(
                Exit.PORT,
                f"port {port} on {host} is in use: stop what listens there, or set {variable(f'{side}_port')}",
            ) from error
