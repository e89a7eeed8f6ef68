"""Which fields of a row are personal data, and how they are masked. Pure."""

from collections.abc import Sequence

import msgspec

from access.masks import masked
from access.people import Contact, Person
from storage.tenant_keys import contact_kind

__all__ = ["PERSON_FIELDS", "contact_kind", "masks", "secrets"]

PERSON_FIELDS = ("name", "telephone", "id_number")


def secrets(fact: msgspec.Struct) -> Sequence[tuple[str, str]]:
    """Its fields that are personal data, each with the kind by which it is masked."""
    if isinstance(fact, Person):
        return tuple((field, field) for field in PERSON_FIELDS)
    if isinstance(fact, Contact):
        return (("address", contact_kind(fact.channel.value)),)
    return ()


def masks(fact: msgspec.Struct) -> msgspec.Struct:
    """The row as it is shown to who may not have it in clear."""
    hidden = {field: masked(kind, str(getattr(fact, field))) for field, kind in secrets(fact)}
    return msgspec.structs.replace(fact, **hidden)
