"""The catalogue of products and complaints about it, as they are asked and answered."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.shapes import Asked, Shape, example
from api.times import Utc
from devices.catalogue_check import Lack
from devices.models import DeviceKind, Tier
from storage.catalogue import Entry, Offer, Product
from storage.complaints import Complaint

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Price = Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)]


class RemovalReason(StrEnum):
    """Why an entry is removed. The first three are the plan's own (四（三））."""

    BORROWED_LICENCE = "borrowed_licence"  # 挂靠借用资质
    FAKES = "fakes"  # 制假售假
    PRICE_RIGGING = "price_rigging"  # 价格操纵
    CERTIFICATE_ENDED = "certificate_ended"
    SERVICE_FAILED = "service_failed"
    OWN_WISH = "own_wish"
    OTHER = "other"


class EntryState(StrEnum):
    OFFERED = "offered"
    ADMITTED = "admitted"
    REMOVED = "removed"


class ComplaintState(StrEnum):
    RECEIVED = "received"
    EXAMINED = "examined"
    UPHELD = "upheld"
    REJECTED = "rejected"


class ComplaintSubject(StrEnum):
    QUALITY = "quality"
    PRICE = "price"
    SERVICE = "service"
    QUALIFICATION = "qualification"
    FORCED_SALE = "forced_sale"
    OTHER = "other"


class ProductGiven(
    Asked,
    json_schema_extra=example(
        model="acme_home_2", name="Home 2", kind="detector", tier="mid", price_cny="398.00", service=""
    ),
):
    """A product as it is sold."""

    model: Name = Field(description="A key of the device catalogue, or the vendor's own word")
    name: Name
    kind: Literal["detector", "self_closing_valve"]
    tier: Tier
    price_cny: Price = Field(description="Installed, for one home, in CNY")
    service: Annotated[str, StringConstraints(max_length=1_000)] = ""


class EntryGiven(
    Asked,
    json_schema_extra=example(
        qualification="Combustible gas detectors: CCC 2024 1814 0000 1234",
        contact="service@example.com, 400-000-0000",
        service="Installed within 3 working days; a yearly visit; 5 years",
        products=[
            {
                "model": "acme_home_2",
                "name": "Home 2",
                "kind": "detector",
                "tier": "mid",
                "price_cny": "398.00",
                "service": "",
            }
        ],
    ),
):
    """A vendor's whole entry; it takes the place of the one before."""

    qualification: Words
    contact: Words
    service: Words
    products: Annotated[list[ProductGiven], Field(min_length=1, max_length=200)]


class Removal(Asked, json_schema_extra=example(reason="fakes", words="Two of five samples carried a copied mark")):
    reason: RemovalReason
    words: Words


class PublicationGiven(Asked, json_schema_extra=example(reason="Two vendors answered the call; it goes on")):
    """`reason` is needed where the catalogue lacks something."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)] = ""


class ComplaintGiven(
    Asked,
    json_schema_extra=example(
        enterprise="acme", area="500156", subject="price", words="Charged twice the published price"
    ),
):
    """Do not say who you are: nobody asks."""

    enterprise: Name
    area: Annotated[str, StringConstraints(pattern=r"^[0-9]{2,12}$")]
    subject: ComplaintSubject
    words: Words


class StepGiven(Asked, json_schema_extra=example(state="upheld", answer="The difference is paid back")):
    state: Literal["examined", "upheld", "rejected"]
    answer: Words


class ProductShown(Shape):
    model: str
    name: str
    kind: DeviceKind
    tier: Tier
    price_cny: str
    service: str


class EntryShown(Shape):
    """`reason` and `words`: of a removal, which stays to be seen."""

    enterprise: str
    name: str
    name_en: str
    area: str
    state: EntryState
    qualification: str
    contact: str
    service: str
    changed: Utc
    reason: str | None
    words: str | None
    products: list[ProductShown]


class LackShown(Shape):
    """What is missing; `enterprise` null: in the catalogue as a whole."""

    enterprise: str | None
    kind: DeviceKind
    words: str
    words_en: str


class CatalogueShown(Shape):
    """`published` null: not published yet. `gaps`: what it lacked when it was, and `reason` why it was all the same."""

    area: str
    entries: list[EntryShown]
    lacks: list[LackShown]
    published: Utc | None
    gaps: list[str]
    reason: str


class StepShown(Shape):
    at: Utc
    state: ComplaintState
    answer: str


class ComplaintFollowed(Shape):
    """A complaint as whoever has its number sees it."""

    number: str
    enterprise: str
    area: str
    received: Utc
    subject: ComplaintSubject
    steps: list[StepShown]


class ComplaintShown(ComplaintFollowed):
    words: str


class ComplaintsShown(Shape):
    complaints: list[ComplaintShown]


def offer_of(given: EntryGiven) -> Offer:
    products = tuple(
        Product(one.model, one.name, DeviceKind(one.kind), one.tier, one.price_cny, one.service)
        for one in given.products
    )
    return Offer(given.qualification, given.contact, given.service, products)


def show_entry(entry: Entry) -> EntryShown:
    return EntryShown(
        enterprise=entry.enterprise,
        name=entry.name,
        name_en=entry.name_en,
        area=entry.area,
        state=EntryState(entry.state),
        qualification=entry.qualification,
        contact=entry.contact,
        service=entry.service,
        changed=entry.changed,
        reason=entry.reason or None,
        words=entry.words or None,
        products=[
            ProductShown(
                model=one.model,
                name=one.name,
                kind=one.kind,
                tier=one.tier,
                price_cny=str(one.price_cny),
                service=one.service,
            )
            for one in entry.products
        ],
    )


def show_lack(lack: Lack) -> LackShown:
    return LackShown(enterprise=lack.enterprise or None, kind=lack.kind, words=lack.words, words_en=lack.words_en)


def follow(one: Complaint) -> ComplaintFollowed:
    return ComplaintFollowed(
        number=one.number,
        enterprise=one.enterprise,
        area=one.area,
        received=one.received,
        subject=ComplaintSubject(one.subject),
        steps=[StepShown(at=step.at, state=ComplaintState(step.state), answer=step.answer) for step in one.steps],
    )


def show_complaint(one: Complaint) -> ComplaintShown:
    return ComplaintShown(**dict(follow(one)), words=one.words)
