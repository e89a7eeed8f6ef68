"""Operations: people. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.person_shapes import (
    ContactGiven,
    Contacts,
    NumberAsked,
    People,
    PersonChanged,
    PersonGiven,
    PersonInFull,
    RoleGiven,
    RolesAtSite,
)
from api.unmask import (
    PersonUnmasked,
    UnmaskingAsked,
)

list_people: Operation[None, People] = Operation(
    "list_people",
    "GET",
    "/v1/people",
    None,
    People,
    query=(
        "enterprise",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

find_people: Operation[NumberAsked, People] = Operation(
    "find_people",
    "POST",
    "/v1/people/find",
    NumberAsked,
    People,
    query=("enterprise",),
)

add_person: Operation[PersonGiven, PersonInFull] = Operation(
    "add_person",
    "POST",
    "/v1/people",
    PersonGiven,
    PersonInFull,
    query=("enterprise",),
    keyed=True,
)

get_person: Operation[None, PersonInFull] = Operation(
    "get_person",
    "GET",
    "/v1/people/{person}",
    None,
    PersonInFull,
    query=("enterprise",),
)

change_person: Operation[PersonChanged, PersonInFull] = Operation(
    "change_person",
    "PATCH",
    "/v1/people/{person}",
    PersonChanged,
    PersonInFull,
    query=("enterprise",),
)

forget_person: Operation[None, None] = Operation(
    "forget_person",
    "DELETE",
    "/v1/people/{person}",
    None,
    None,
    query=("enterprise",),
)

put_contact: Operation[ContactGiven, Contacts] = Operation(
    "put_contact",
    "POST",
    "/v1/people/{person}/contacts",
    ContactGiven,
    Contacts,
    query=("enterprise",),
    keyed=True,
)

remove_contact: Operation[None, None] = Operation(
    "remove_contact",
    "DELETE",
    "/v1/people/{person}/contacts",
    None,
    None,
    query=(
        "channel",
        "rank",
        "enterprise",
    ),
)

list_people_at_site: Operation[None, RolesAtSite] = Operation(
    "list_people_at_site",
    "GET",
    "/v1/sites/{site}/people",
    None,
    RolesAtSite,
    query=(
        "day",
        "as_of",
    ),
)

put_role_at_site: Operation[RoleGiven, RolesAtSite] = Operation(
    "put_role_at_site",
    "POST",
    "/v1/sites/{site}/people",
    RoleGiven,
    RolesAtSite,
    keyed=True,
)

unmask_person: Operation[UnmaskingAsked, PersonUnmasked] = Operation(
    "unmask_person",
    "POST",
    "/v1/people/{person}/unmask",
    UnmaskingAsked,
    PersonUnmasked,
    query=("enterprise",),
)
