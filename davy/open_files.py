"""How many files and sockets this process may have open. Every connection of a device is one."""

import resource

#: Left for everything that is not a device's connection: the store, the journal, the door and its clients, logs.
RESERVED = 256
#: What is taken where the system names no bound at all; the system's own table bounds it then.
_UNBOUNDED = 1 << 20


def raise_limit() -> int:
    """Raise this process's soft limit to its hard one, and return what holds now. Never raises: a system that refuses
    leaves the limit as it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says "no bound" and then refuses it
            pass
        else:
            soft = hard
    return _UNBOUNDED if soft == resource.RLIM_INFINITY else soft


def connections_within(limit: int, wanted: int) -> int:
    """How many connections there is room for, `wanted` at most and one at least."""
    return max(1, min(wanted, limit - RESERVED))
