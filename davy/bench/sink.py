"""The ceiling of the path without an engine: an endpoint that accepts everybody and acknowledges everything.

`python -m davy.bench.sink` prints its port, serves until its standard input closes, then prints what it saw.
"""

import json
import select
import socket
import sys

import numpy as np

RECEIVE_BYTES = 1 << 18


class Peer:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.length = 0
        self.id_at = 0
        self.messages = 0
        self.greeted = False

    def take(self, got: bytes) -> bytes:
        """The answer to what has come: a CONNACK, or a PUBACK for each whole PUBLISH (all of one length)."""
        data = self.rest + got if self.rest else got
        answer = b""
        if not self.greeted:
            whole, at = _packet_bytes(data)
            if len(data) < whole:
                self.rest = data
                return b""
            self.greeted, data, answer = True, data[whole:], b"\x20\x02\x00\x00"
        if not self.length and len(data) > 4:
            self.length, at = _packet_bytes(data)
            self.id_at = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if 0 < self.length == len(data):
            self.messages += 1
            self.rest = b""
            return answer + b"\x40\x02" + data[self.id_at : self.id_at + 2]
        if self.length:
            count = len(data) // self.length
            packets = np.frombuffer(data, np.uint8, count * self.length).reshape(count, self.length)
            assert (packets[:, 0] == 0x32).all(), "every packet is a QoS 1 PUBLISH of one length"
            acks = np.empty((count, 4), np.uint8)
            acks[:, 0], acks[:, 1] = 0x40, 2
            acks[:, 2:] = packets[:, self.id_at : self.id_at + 2]
            answer += acks.tobytes()
            self.messages += count
            data = data[count * self.length :]
        self.rest = data
        return answer


def _packet_bytes(data: bytes) -> tuple[int, int]:
    """(length of the first packet in all, where its body begins)."""
    length, at = 0, 1
    while True:
        digit = data[at]
        length |= (digit & 0x7F) << (7 * (at - 1))
        at += 1
        if not digit & 0x80:
            return at + length, at


def serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    peers: dict[int, Peer] = {}
    seen = 0
    while True:
        # All that came is read before anything is answered, as an endpoint does that commits before it acknowledges.
        answers: list[tuple[Peer, bytes]] = []
        for fd, _ in poll.poll():
            peer = peers.get(fd)
            if peer is not None:
                got = _receive(peer.sock)
                if got:
                    answers.append((peer, peer.take(got)))
                else:
                    seen += peer.messages
                    poll.unregister(fd)
                    peers.pop(fd).sock.close()
            elif fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[sock.fileno()] = Peer(sock)
                poll.register(sock, select.EPOLLIN)
            else:
                seen += sum(peer.messages for peer in peers.values())
                sys.stdout.write(json.dumps({"messages": seen}) + "\n")
                return
        for peer, answer in answers:
            peer.sock.sendall(answer)


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(RECEIVE_BYTES)
    except ConnectionResetError:
        return b""


if __name__ == "__main__":
    serve()
