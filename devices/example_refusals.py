"""Whether a golden example was refused as its file says; the same for payloads and for registers."""

from devices.codecs.decoded import Decoded


def refusal_differences(decoded: Decoded, expected: str) -> list[str] | None:
    """What differs about an example's refusal; `expected` is part of the reason, empty for one that must be read. None:
    it was read and should be, so what it means is to be compared."""
    if decoded.refused:
        reason = decoded.refused[0].reason
        if not expected:
            return [f"refused: {reason}"]
        return [] if expected in reason else [f"refused with {reason!r}, not {expected!r}"]
    return [f"not refused; expected {expected!r}"] if expected else None
