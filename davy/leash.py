"""A child that dies with its parent, even one that is killed -9, so that nothing runs unsupervised."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

#: prctl(2): the signal this process gets when the thread that started it ends. From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1


def leash(ending: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the child gets `ending` when its parent is gone.

    Everything that could take a lock (imports, symbol look-up) is done here, in the parent; the child makes two system
    calls. It runs after the change of user, which would clear the setting. Linux only; elsewhere it does nothing, and
    the next start finds and stops what was left.
    """
    parent = os.getpid()
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, int(ending), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return in_child
