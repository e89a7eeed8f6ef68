"""Many connections that only exist: what an endpoint's memory per connection is measured with."""

import select
import socket
import time
from collections.abc import Sequence

from simulators.load.wire import Refused, Target, log_in

KEEP_ALIVE_S = 120
PING = b"\xc0\x00"


def log_in_paced(
    target: Target, logins: Sequence[tuple[str, str]], per_second: float, first_number: int = 0
) -> list[socket.socket]:
    """Log in one after another, (identity, token) each, no faster than the endpoint's bound on handshakes.
    Raises Refused or OSError at the first that fails."""
    sockets: list[socket.socket] = []
    began = time.perf_counter()
    for i, (identity, token) in enumerate(logins):
        ahead_s = i / per_second - (time.perf_counter() - began)
        if ahead_s > 0.0:
            time.sleep(ahead_s)
        sockets.append(log_in(target, first_number + i, identity, token, KEEP_ALIVE_S))
    return sockets


def hold(sockets: Sequence[socket.socket], seconds: float) -> int:
    """Keep them alive for `seconds`, each pinging well within its keep-alive; how many are still open at the end."""
    poll = select.epoll()
    by_fd = {sock.fileno(): sock for sock in sockets}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    began = time.perf_counter()
    next_ping_s = KEEP_ALIVE_S / 2
    while (elapsed_s := time.perf_counter() - began) < seconds:
        if elapsed_s >= next_ping_s:
            next_ping_s += KEEP_ALIVE_S / 2
            for sock in by_fd.values():
                sock.sendall(PING)
        for fd, _ in poll.poll(min(1.0, seconds - elapsed_s)):
            if not by_fd[fd].recv(4096):
                poll.unregister(fd)
                by_fd.pop(fd).close()
    poll.close()
    if not by_fd and sockets:
        raise Refused("the endpoint closed every idle connection")
    return len(by_fd)
