"""A message as Standard Webhooks has it (specification 1.0.0): an id that stays the same however often it is sent, the
time of this attempt, and a signature over both and the body by each secret that is in force."""

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

_PREFIX = "whsec_"
#: The specification asks for 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret as it is shown, once."""
    return _PREFIX + base64.b64encode(random_bytes(SECRET_BYTES)).decode()


def signed_headers(id_: str, body: str, secrets: Sequence[str], now_us: int) -> dict[str, str]:
    """Headers of one attempt. Of several secrets (one is taking another's place) each signs, and the receiver takes
    whichever it knows."""
    at = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    return {
        "content-type": "application/json",
        "user-agent": "davy",
        "webhook-id": id_,
        "webhook-timestamp": str(now_us // 1_000_000),
        "webhook-signature": " ".join(Webhook(secret).sign(id_, at, body) for secret in secrets),
    }
