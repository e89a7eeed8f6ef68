"""What may go wrong for a client: what will be so again, and what may go away by itself."""

from api.problems import ProblemDocument


class Refused(Exception):
    """Permanent: the same request gets the same answer. `problem` says why."""

    def __init__(self, problem: ProblemDocument) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem


class Unavailable(Exception):
    """Transient: ask again, after `retry_after_s`. `perhaps_done`: no answer came to something that changes; ask again
    with the same key, which is in `key`, and it is done once."""

    def __init__(self, reason: str, retry_after_s: float, *, perhaps_done: bool = False, key: str = "") -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.perhaps_done = perhaps_done
        self.key = key
