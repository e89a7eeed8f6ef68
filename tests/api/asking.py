"""One request of the authorization matrix: how it is made of a route's row, and what its answer may be."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from tests.api.matrix_rows import Row
from tests.api.parties import DETECTORS, PAST, ROLES, SITES, VALVES

NOWHERE = "0" * 32
#: A name that nothing has, of each kind.
NOWHERE_AT = {
    **dict.fromkeys(("alarm", "command", "permit", "incident"), NOWHERE),
    **dict.fromkeys(("device", "valve"), "nope/none"),
    **dict.fromkeys(("account", "key"), NOWHERE[:12]),
    **dict.fromkeys(("site", "enterprise", "person"), "nothing"),
    "area": "990000",
}
#: The same by the name that a path has for it, where that has a form of its own.
_USUAL = {
    "sha256": "0" * 64,
    **dict.fromkeys(("account", "key", "session"), NOWHERE[:12]),
    **dict.fromkeys(("grant", "webhook"), "A" * 20),
}
#: What each sees of the things at a site, by whose they are (tests/api/parties.py). A device that has moved is where it
#: is now; what happened at it before is where it was.
SEES = {
    "resident": {"own", "deleted"},
    "operator": {"own", "other", "deleted"},
    "company_administrator": {"own", "other", "deleted"},
    "field_crew": {"own", "other", "deleted"},
    "vendor": {"own", "other"},
    "installer": {"own", "moved", "deleted"},
    "property_manager": {"own", "deleted"},
    "regulator": {"own", "other", "deleted"},
    "platform_administrator": {"own", "other", "foreign", "moved", "deleted"},
    "public": set(),
}
#: Of alarms and the like, which stay with the site: the moved and the deleted device's were at the first site.
SEES_OF_THE_PAST = SEES | {
    role: {*SEES[role], "moved", "deleted"}
    for role in ("resident", "operator", "company_administrator", "field_crew", "property_manager", "regulator")
}
#: Words that no answer may hold, by who asks: the other company's, and what each kind does not see.
_OTHERS = ("zeta/", "site-b1", "gas-b", "pm-b", "zeta-co", "spare-foreign", PAST["foreign"]["alarm"])
_NEIGHBOURS = ("acme/a2", "site-a2", PAST["other"]["alarm"], PAST["other"]["wanted"])
HIDDEN = {
    "resident": (*_OTHERS, *_NEIGHBOURS, "spare-own"),
    "operator": _OTHERS,
    "company_administrator": _OTHERS,
    "field_crew": _OTHERS,
    "vendor": (*_OTHERS, "site-a", "gas-a", "pm-a", "spare-own"),
    "installer": (*(word for word in _OTHERS if word != "site-b1"), *_NEIGHBOURS, "spare-own"),
    "property_manager": (*_OTHERS, *_NEIGHBOURS, "spare-own"),
    "regulator": (*_OTHERS, "spare-own"),
    "platform_administrator": (),
    "public": (*_OTHERS, *_NEIGHBOURS, "site-a1", "acme/a1"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `relation`: whose the thing is; empty: it is about no thing. `lives`: the engine has it now."""

    method: str
    path: str
    relation: str
    url: str
    nowhere: str
    lives: bool
    found: str = ""


def requests(method: str, path: str, row: Row, role: str, live: dict[str, dict[str, str]]) -> Iterator[Asked]:
    """Everything that is asked of a route by one role. `live`: kind -> relation -> id."""
    if row.about in ("", "absent"):
        url = filled(path, {}) + row.query
        yield Asked(method, path, "", url, url, False)
        return
    nowhere = filled(path, values(row.about, "", NOWHERE_AT[row.about])) + row.query
    for relation in ("own", "foreign") if row.slow else ("own", "other", "foreign", "moved", "deleted"):
        for lives, found in _subjects(row.about, relation, role, live):
            url = filled(path, values(row.about, role, found)) + row.query
            yield Asked(method, path, relation, url, nowhere, lives, found)


def _subjects(about: str, relation: str, role: str, live: dict[str, dict[str, str]]) -> Iterator[tuple[bool, str]]:
    if found := live.get(about, {}).get(relation):
        yield True, found
    table = {"device": DETECTORS, "valve": VALVES, "site": SITES}.get(about)
    if table is not None and relation in table:
        yield relation != "deleted", table[relation]
    kind = {"alarm": "alarm", "command": "wanted", "permit": "permit", "incident": "incident"}.get(about)
    if kind and (about in ("alarm", "incident") or relation in VALVES):
        yield False, PAST[relation][kind]
    named = {
        "person": {"own": "person-a", "foreign": "person-b"},
        "area": {"own": "500100", "foreign": "510100"},
    }.get(about, {})
    if relation in named:
        yield True, named[relation]
    if about == "enterprise" and relation in ("own", "foreign"):
        mine = ROLES[role].enterprise if role in ROLES else ""
        yield True, (mine or "gas-a") if relation == "own" else "gas-b"


def values(about: str, role: str, found: str) -> dict[str, str]:
    if about in ("device", "valve"):
        vendor, _, serial = found.partition("/")
        return {"vendor": vendor, "serial": serial or "none"}
    name = {"command": "wanted"}.get(about, about)
    return {name: found[:12] if name == "key" else found}


def filled(path: str, known: dict[str, str]) -> str:
    for name in [part[1:-1] for part in path.split("/") if part.startswith("{")]:
        usual = _USUAL.get(name, NOWHERE)
        path = path.replace(f"{{{name}}}", known.get(name, usual))
    return path


def admits(role: str, row: Row, asked: Asked) -> bool:
    if not asked.relation:
        return True
    if row.about in ("account", "key"):
        own = role in ROLES and ROLES[role].enterprise == "gas-a"
        return role == "platform_administrator" or (own and asked.relation == "own")
    if row.about in ("enterprise", "person", "area"):
        return asked.relation == "own" or role == "platform_administrator"
    of_the_past = row.about not in ("device", "valve", "site")
    return asked.relation in (SEES_OF_THE_PAST if of_the_past else SEES)[role]


def fault(answer: httpx.Response, role: str, allowed: bool, row: Row, asked: Asked) -> str:
    """What is wrong with an answer; empty: nothing."""
    status = answer.status_code
    if status >= 500:
        return f"{status} {answer.text[:200]}"
    if not allowed:
        expected = 401 if role == "public" else 403
        return "" if status == expected or status in row.also else f"{status}, not {expected}"
    if role == "public" or status in row.also:
        return ""
    if not admits(role, row, asked):
        # A person is looked for in the asker's own party only, after what was said of it: wrong is wrong for all alike.
        hidden = status == 404 or (row.about == "person" and status == 422)
        return "" if hidden else f"{status}, not 404: {answer.text[:120]}"
    gone = row.about == "absent" or (asked.relation and not asked.lives)
    if status in (401, 403) or (status == 404 and not gone):
        return f"{status} to what it may: {answer.text[:120]}"
    return ""


def leak(answer: httpx.Response, hidden: tuple[str, ...]) -> str:
    """A word that this answer may not hold; empty: there is none. An error names what was asked for."""
    if answer.status_code >= 400:
        return ""
    return next((word for word in hidden if word in answer.text), "")


def alike(answer: httpx.Response, nothing: httpx.Response, row: Row, asked: Asked) -> bool:
    """Whether two answers say the same but for the names that they were asked by."""
    return answer.text.replace(asked.found, "*") == nothing.text.replace(NOWHERE_AT[row.about], "*")
