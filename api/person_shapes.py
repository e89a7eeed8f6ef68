"""People at sites as they are shown, masked, and as they are asked to be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from access.people import Channel, Contact, Need, SiteRole
from api.days import Day, DayAsked
from api.shapes import Asked, Page, Shape, example
from api.site_shapes import Key
from api.times import Utc
from storage.people import PersonChange, ShownPerson
from storage.people_at_sites import PersonAtSite

Personal = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Language = Annotated[str, StringConstraints(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Rank = Annotated[int, Field(ge=1, le=20)]


class PersonShown(Shape):
    """A person; personal data is masked. To see it takes an unmasking with a purpose, which is recorded."""

    person: str = Field(description="Its key within the enterprise")
    enterprise: str = Field(description="Whose customer it is")
    name: str | None = Field(examples=["张**"])
    telephone: str | None = Field(examples=["138****5678"])
    id_number: str | None
    language: str = Field(description="What messages are written in, as of BCP 47")
    needs: list[Need] = Field(description="What whoever comes or calls has to know")
    version: int
    recorded: Utc
    recorded_by: str | None


class ContactShown(Shape):
    channel: Channel
    rank: int = Field(description="From 1, the first to be tried")
    address: str | None = Field(description="Masked")
    proven: Day | None = Field(description="The last day on which the person was reached by it")
    proven_by: str | None


class PersonInFull(PersonShown):
    contacts: list[ContactShown]


class People(Page):
    people: list[PersonShown]


class PersonChanged(
    Asked, json_schema_extra=example(name="张三", telephone="13800005678", language="zh", needs=["elderly", "alone"])
):
    """What is not named stays as it is; null: not known."""

    name: Personal | None = None
    telephone: Personal | None = None
    id_number: Personal | None = None
    language: Language | None = None
    needs: list[Need] | None = Field(default=None, max_length=10)


class PersonGiven(PersonChanged, json_schema_extra=example(person="c-1001", name="张三", telephone="13800005678")):
    person: Key


class NumberAsked(Asked, json_schema_extra=example(telephone="138 0000 5678")):
    telephone: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40)]


class ContactGiven(Asked, json_schema_extra=example(channel="sms", rank=1, address="13800005678", proven="2026-11-20")):
    """By its channel and rank. Without an address that before stays."""

    channel: Channel
    rank: Rank = 1
    address: Personal | None = None
    proven: DayAsked | None = Field(default=None, description="The last day on which the person was reached by it")
    proven_by: Personal = Field(default="", description="How that is known: a call, a code that came back, ...")


class Contacts(Shape):
    contacts: list[ContactShown]


class RoleShown(Shape):
    """Who is what at a site."""

    person: str
    enterprise: str
    role: SiteRole
    since: Day | None
    until: Day | None = Field(description="The first day on which it holds no longer")
    name: str | None = Field(description="Masked")
    language: str | None
    needs: list[Need]
    proven: Day | None = Field(description="The last day on which the person was reached, by whatever way; null: never")


class RolesAtSite(Shape):
    people: list[RoleShown]


class RoleGiven(Asked, json_schema_extra=example(person="c-1001", role="keyholder", since="2024-05-01")):
    """A role by person, role and `since`; `until` ends it."""

    person: Key
    role: SiteRole
    since: DayAsked | None = None
    until: DayAsked | None = None


def change_of(asked: PersonChanged) -> PersonChange:
    """What is said; what is null becomes empty."""
    said = asked.model_fields_set
    return PersonChange(
        name=(asked.name or "") if "name" in said else None,
        telephone=(asked.telephone or "") if "telephone" in said else None,
        id_number=(asked.id_number or "") if "id_number" in said else None,
        language=(asked.language or "zh") if "language" in said else None,
        needs=tuple(asked.needs or ()) if "needs" in said else None,
    )


def show_person(found: ShownPerson) -> PersonShown:
    person, recorded = found.person, found.recorded
    return PersonShown(
        person=person.key,
        enterprise=person.tenant,
        name=person.name or None,
        telephone=person.telephone or None,
        id_number=person.id_number or None,
        language=person.language,
        needs=list(person.needs),
        version=recorded.version,
        recorded=recorded.recorded,
        recorded_by=recorded.recorded_by or None,
    )


def show_contact(contact: Contact) -> ContactShown:
    return ContactShown(
        channel=contact.channel,
        rank=contact.rank,
        address=contact.address or None,
        proven=contact.proven or None,
        proven_by=contact.proven_by or None,
    )


def show_role(found: PersonAtSite) -> RoleShown:
    role = found.role
    return RoleShown(
        person=role.person,
        enterprise=role.tenant,
        role=role.role,
        since=role.since or None,
        until=role.until or None,
        name=found.name or None,
        language=found.language or None,
        needs=list(found.needs),
        proven=found.proven or None,
    )
