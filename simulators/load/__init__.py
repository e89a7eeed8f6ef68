"""The benchmark's load generator: a process of its own that sends prepared bytes over raw sockets.

No client library stands between the clock and the socket, so that the figures are Davy's and not a client's.
`python -m simulators.load --help` lists its modes; each prints one JSON line.
"""
