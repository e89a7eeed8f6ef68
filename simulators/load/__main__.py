"""`python -m simulators.load MODE ...`: one JSON line on standard output; 1 and one line of reason when it fails."""

import argparse
import json
import resource
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from simulators.load import idle, probe
from simulators.load.prepared import Lines, clean_air, rounds_for
from simulators.load.window import Connection, Sent, Window
from simulators.load.wire import Refused, Target, allow_open_files, log_in, trusting_all
from simulators.registry import HomesSource, encode_homes, load_homes, probe_homes, together

#: Seconds between attempts to reach an endpoint that went away.
AGAIN_EVERY_S = 0.1
#: A patient run gives an endpoint this long to come back.
AWAY_AT_MOST_S = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        result = {
            "homes": _homes,
            "pipeline": _pipeline,
            "idle": _idle,
            "probe": _probe,
        }[options.mode](options)
    except (Refused, OSError, ValueError) as failed:
        sys.stderr.write(f"simulators.load: {failed}\n")
        return 1
    sys.stdout.write(result + "\n")
    return 0


def _homes(options: argparse.Namespace) -> str:
    """The registry to import before any other mode, with the same figures and seed."""
    sources = [load_homes(options.devices, options.connections, options.seed)] if options.devices else []
    sources += [probe_homes(options.pairs, options.seed)] if options.pairs else []
    return encode_homes(together(*sources) if sources else HomesSource()).decode()


def _pipeline(options: argparse.Namespace) -> str:
    """`in_flight` messages unacknowledged per connection, each connection a gateway with its share of the devices."""
    target, count = Target(options.host, options.port), options.connections
    if options.devices < count:
        raise ValueError(f"{count} connections need at least as many devices, not {options.devices}")
    allow_open_files(count)
    logins = _gateways(options)
    sockets = idle.log_in_paced(target, logins, options.connect_rate)
    boot = options.boot or int(time.time())
    shares = [range(i, options.devices, count) for i in range(count)]
    air = clean_air(options.seed)
    connections = [
        Connection(sock, Lines(share, rounds_for(len(share), options.in_flight, count), boot, air))
        for sock, share in zip(sockets, shares, strict=True)
    ]
    again = (lambda i: _come_back(target, i, *logins[i])) if options.patient else None
    cpu_before = time.process_time()
    sent = Window(connections, options.in_flight, options.rate, again).run(options.seconds)
    cpu_s = time.process_time() - cpu_before
    if options.acked is not None:
        _write_acked(options.acked, boot, shares, sent)
    return json.dumps(_summary(options, sent, cpu_s))


def _come_back(target: Target, number: int, identity: str, token: str) -> socket.socket:
    """A new connection to an endpoint that may be restarting. Raises Refused after AWAY_AT_MOST_S."""
    give_up = time.perf_counter() + AWAY_AT_MOST_S
    while True:
        try:
            return log_in(target, number, identity, token)
        except (Refused, OSError) as away:
            if time.perf_counter() > give_up:
                raise Refused(f"the endpoint did not come back within {AWAY_AT_MOST_S:g} s: {away}") from away
            time.sleep(AGAIN_EVERY_S)


def _idle(options: argparse.Namespace) -> str:
    allow_open_files(options.connections)
    began = time.perf_counter()
    target = Target(options.host, options.port, trusting_all() if options.tls else None)
    sockets = idle.log_in_paced(target, _gateways(options), options.connect_rate)
    connected_s = time.perf_counter() - began
    # Whoever measures the endpoint's memory waits for this line.
    sys.stderr.write(f"connected {len(sockets)}\n")
    sys.stderr.flush()
    left = idle.hold(sockets, options.seconds)
    return json.dumps({"mode": "idle", "connected": len(sockets), "still_open": left, "connected_s": connected_s})


def _probe(options: argparse.Namespace) -> str:
    numbers = range(options.first_pair, options.first_pair + options.pairs)
    allow_open_files(2 * len(numbers))
    boot = options.boot or int(time.time())
    target = Target(options.host, options.port)
    probed = probe.probe(target, numbers, options.seed, options.every_ms / 1000, options.connect_rate, boot)
    return json.dumps({"mode": "probe", "missing": probed.missing, "close_us": _percentiles(probed.latency_ns)})


def _gateways(options: argparse.Namespace) -> list[tuple[str, str]]:
    """(identity, token) per connection: a gateway's, which are the same however many devices stand behind them."""
    source = load_homes(options.connections, options.connections, options.seed)
    return [(row.identity, row.token) for row in source.tokens]


def _write_acked(path: Path, boot: int, shares: Sequence[range], sent: Sent) -> None:
    """What was acknowledged, for a ledger: connection c sent message i as device i mod len(devices) of its devices,
    with seq FIRST_SEQ + i div len(devices), and the first `acked` of them were acknowledged."""
    rows = [
        {"devices": list(share), "acked": acked} for share, acked in zip(shares, sent.acked_by_connection, strict=True)
    ]
    path.write_text(json.dumps({"boot": boot, "connections": rows}))


def _summary(options: argparse.Namespace, sent: Sent, cpu_s: float) -> dict[str, object]:
    return {
        "mode": "pipeline",
        "connections": options.connections,
        "in_flight": options.in_flight,
        "devices": options.devices,
        "sent": sent.sent,
        "sent_again": sent.sent_again,
        "acked": sent.acked,
        "elapsed_s": round(sent.elapsed_s, 6),
        "acked_per_s": round(sent.acked_in_time / sent.elapsed_s, 1),
        "reconnects": sent.reconnects,
        "cpu_s": round(cpu_s, 4),
        "cpu_us_per_message": round(cpu_s * 1e6 / max(sent.sent, 1), 4),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "puback_us": _percentiles(sent.latency_ns),
    }


def _percentiles(latency_ns: Sequence[int]) -> dict[str, float] | None:
    """Microseconds; None when nothing was timed."""
    if not len(latency_ns):
        return None
    ordered = sorted(latency_ns)
    at = {name: ordered[min(int(len(ordered) * q), len(ordered) - 1)] for name, q in _QUANTILES.items()}
    return {"n": len(ordered), **{name: round(value / 1000, 1) for name, value in at.items()}}


_QUANTILES = {"min": 0.0, "p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.load", description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    homes = modes.add_parser("homes", help="print the registry to import first")
    pipeline = modes.add_parser("pipeline", help="keep a window of messages in flight on each connection")
    held = modes.add_parser("idle", help="hold connections that say nothing")
    probed = modes.add_parser("probe", help="time from a detector's alarm to the CLOSE at its valve")
    for mode in (homes, pipeline, held, probed):
        mode.add_argument("--seed", type=int, default=1, help="the tokens follow from it")
    for mode in (homes, pipeline):
        mode.add_argument("--devices", type=int, default=10_000)
    for mode in (homes, pipeline, held):
        mode.add_argument("--connections", type=int, default=64)
    for mode in (homes, probed):
        mode.add_argument("--pairs", type=int, default=0 if mode is homes else 200)
    for mode in (pipeline, held, probed):
        mode.add_argument("--host", default="127.0.0.1")
        mode.add_argument("--port", type=int, required=True)
        mode.add_argument("--connect-rate", type=float, default=400.0, help="handshakes per second")
    for mode in (pipeline, held):
        mode.add_argument("--seconds", type=float, default=10.0)
    for mode in (pipeline, probed):
        mode.add_argument("--boot", type=int, default=0, help="boot number of the readings; 0: the time now")
    pipeline.add_argument("--in-flight", type=int, default=200)
    pipeline.add_argument("--rate", type=float, default=0.0, help="messages per second in all; 0: as many as go")
    pipeline.add_argument("--patient", action="store_true", help="reconnect and send again when a connection is lost")
    pipeline.add_argument("--acked", type=Path, help="write what was acknowledged to this file")
    held.add_argument("--tls", action="store_true", help="over TLS, whatever the certificate")
    probed.add_argument("--first-pair", type=int, default=0, help="a pair can be used once; go on from here")
    probed.add_argument("--every-ms", type=float, default=20.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
