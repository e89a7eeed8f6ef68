"""Why a link is away, in words for people: the notes of alarms, the log, and what `davy modbus` prints.

The system's own words ("[Errno 111] Connect call failed") name neither who was asked nor what to look at.
"""

import errno
import os
import re
import socket
import ssl

_NUMBER = re.compile(r"(?:\[Errno |\()(\d+)(?:\]|, )")
_NETWORK = {
    errno.ECONNREFUSED: "nobody listens at {there}",
    errno.EHOSTUNREACH: "{there} cannot be reached: no such host in its network, or no way to it",
    errno.ENETUNREACH: "{there} cannot be reached: this machine has no way to its network",
    errno.ENETDOWN: "this machine's network is down",
    errno.ETIMEDOUT: "{there} does not answer (timed out)",
    errno.ECONNRESET: "{there} closed the connection abruptly",
    errno.ECONNABORTED: "{there} closed the connection abruptly",
    errno.EPIPE: "{there} closed the connection",
    errno.EACCES: "not allowed to connect to {there}; see this machine's firewall",
    errno.EPERM: "not allowed to connect to {there}; see this machine's firewall",
}
_SERIAL = {
    errno.ENOENT: "no such serial port {there}",
    errno.ENODEV: "no such serial port {there}",
    errno.ENXIO: "no such serial port {there}",
    errno.EACCES: "not allowed to open {there}; the engine's account needs the port's group (often dialout)",
    errno.EPERM: "not allowed to open {there}; the engine's account needs the port's group (often dialout)",
    errno.EBUSY: "another program holds {there}",
    errno.EAGAIN: "another program holds {there}",
    errno.EISDIR: "{there} is a folder, and no serial port",
    errno.ENOTTY: "{there} is no serial port",
    errno.EIO: "the serial port {there} is gone, or its adapter is unplugged",
}
#: Names that only this system has words for.
_NAMES = {
    socket.EAI_NONAME: "the name in {there} is not known; see its spelling and this machine's name server",
    socket.EAI_NODATA: "the name in {there} has no address; see its spelling and this machine's name server",
    socket.EAI_AGAIN: "the name in {there} cannot be looked up now: no name server answers",
}


def why_not_connected(wrong: Exception, host: str, port: int) -> str:
    """`wrong`: what connecting to host and port over a network raised, or reading a file that it needs."""
    there = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(wrong, ssl.SSLError):
        reason = getattr(wrong, "reason", None) or wrong.strerror or str(wrong)
        return f"TLS with {there} failed: {reason.replace('_', ' ').lower()}"
    if not isinstance(wrong, OSError):
        return str(wrong)
    if wrong.filename is not None:
        return f"cannot read {wrong.filename}: {wrong.strerror}"
    words = _NAMES if isinstance(wrong, socket.gaierror) else _NETWORK
    return _said(wrong, words, there)


def why_not_opened(wrong: Exception, device: str) -> str:
    """`wrong`: what opening or using a serial port raised."""
    return _said(wrong, _SERIAL, device)


def _said(wrong: Exception, words: dict[int, str], there: str) -> str:
    # A name with several addresses fails with several reasons and no number of its own; so does a serial port that
    # takes no settings.
    found = _NUMBER.search(str(wrong))
    number = wrong.errno if isinstance(wrong, OSError) and wrong.errno is not None else int(found[1]) if found else None
    if number in words:
        return words[number].format(there=there)
    if isinstance(wrong, socket.gaierror) or number is None:
        return f"{there}: {getattr(wrong, 'strerror', None) or str(wrong) or type(wrong).__name__}"
    return f"{there}: {os.strerror(number)}"
