"""What a share that was seen says of the share that is: bounds, not a guess."""

import math

from devices.conformance.evidence import Share

#: Two-sided 95 %.
Z = 1.959963984540054


def wilson(share: Share, z: float = Z) -> tuple[float, float]:
    """Lower and upper bound of a proportion, Wilson's score interval (E. B. Wilson, JASA 22, 1927, 209-212). (0, 1)
    where nothing was seen."""
    if share.n <= 0:
        return 0.0, 1.0
    n, p = share.n, share.k / share.n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    return max(0.0, (centre - spread) / whole), min(1.0, (centre + spread) / whole)
