"""Claims of devices, and the labels that carry their codes."""

import base64
import io
from urllib.parse import urlencode

import segno
from pydantic import Field

from access.roles import Role
from api.shapes import NOT_SHOWN, Page, Shape
from api.times import Utc
from storage.claims import Claim, ClaimState


class ClaimShown(Shape):
    claim: str
    device: str = Field(description="vendor/serial", examples=["acme/d1"])
    model: str
    state: ClaimState
    offered: Utc
    expires: Utc = Field(description="Until when the code is good")
    site: str | None = Field(description=f"Where it is claimed for. {NOT_SHOWN}, or not claimed")
    enterprise: str | None = Field(description=f"The gas company, which decides. {NOT_SHOWN}, or not claimed")
    installer: str | None = Field(description="The party that mounted it")
    claimed: Utc | None
    claimed_by: str | None = Field(description=NOT_SHOWN)
    decided: Utc | None
    decided_by: str | None = Field(description=NOT_SHOWN)
    reason: str | None


class ClaimsShown(Page):
    claims: list[ClaimShown]


class Label(Shape):
    """`code` and the pictures are shown this once; only its hash is kept."""

    claim: ClaimShown
    code: str = Field(examples=["ABCD-EFGH-IJKL-MNOP"])
    text: str = Field(description="What the QR code says", examples=["davy:claim?device=acme%2Fd1&code=ABCD-..."])
    svg: str = Field(description="The QR code as a drawing")
    png_base64: str = Field(description="The same as a picture")


class Claimed(Shape):
    """`token`: of the device, where one was made; it is shown this once."""

    claim: ClaimShown
    token: str | None


def show_claim(claim: Claim, role: Role) -> ClaimShown:
    """A vendor sees what became of its device, not who lives there."""
    own = role is not Role.VENDOR
    return ClaimShown(
        claim=claim.id,
        device=claim.identity,
        model=claim.model,
        state=claim.state,
        offered=claim.offered_us,
        expires=claim.expires_us,
        site=claim.site or None if own else None,
        enterprise=claim.enterprise or None if own else None,
        installer=claim.installer or None,
        claimed=claim.claimed_us,
        claimed_by=claim.claimed_by or None if own else None,
        decided=claim.decided_us,
        decided_by=claim.decided_by or None if own else None,
        reason=claim.reason or None,
    )


def label_of(claim: ClaimShown, code: str) -> Label:
    text = "davy:claim?" + urlencode({"device": claim.device, "code": code})
    # Level Q of ISO/IEC 18004 mends a quarter of the symbol: labels in kitchens get greasy. Product choice.
    drawn = segno.make(text, error="q", micro=False)
    svg, png = io.BytesIO(), io.BytesIO()
    drawn.save(svg, kind="svg", scale=4, border=4)
    drawn.save(png, kind="png", scale=6, border=4)
    return Label(
        claim=claim,
        code=code,
        text=text,
        svg=svg.getvalue().decode(),
        png_base64=base64.b64encode(png.getvalue()).decode(),
    )
