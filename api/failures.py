"""What became of work apart that failed, as a problem."""

from api.apart_work import Failed, Fault, Told, Tried
from api.database import AWAY
from api.problems import (
    BAD_PARAMETER,
    DATABASE_AWAY,
    DATABASE_BUSY,
    FAILED,
    RETRY_AFTER_S,
    TOO_MUCH,
    Kind,
    Problem,
)

_KINDS: dict[Fault, Kind] = {
    Fault.ASKED: BAD_PARAMETER,
    Fault.AWAY: DATABASE_AWAY,
    Fault.REFUSED: DATABASE_BUSY,
    Fault.TOO_MUCH: TOO_MUCH,
    Fault.DEFECT: FAILED,
}


def problem_of(said: Failed | Told | Tried) -> Problem:
    """To be raised. An answer to another question is a defect of ours."""
    if not isinstance(said, Failed):
        return Problem(FAILED, "The failure is in the log. Report it if it comes back.")
    kind = _KINDS[said.fault]
    return Problem(
        kind,
        AWAY if said.fault is Fault.AWAY else said.reason,
        retry_after_s=RETRY_AFTER_S if kind.status == 503 else None,
    )
