"""A block of flats and a street, for what is told together: incidents, outages, what explains what.

Flats `a1` .. `a4` hang on riser 1 of building 7, `b1` .. `b4` on riser 2 of the same building; houses `h1` .. `h12`
stand alone. All lie in area 500156, save `far`. Every site has a detector of its own name (a1, ...); a1 has a second
one, a1x, and a valve a1v, which it closes. The detectors of the houses h1 to h4 are behind the gateway `gate`, which is
behind the gateway `hub`; those stand at h1.
"""

from collections.abc import Sequence
from typing import Any

from devices.sites import Device, Link, Registry, Site
from rules.decisions import Decision, IncidentChanged
from rules.documents.document import RulePack
from rules.instructions import Instruction
from rules.stepping.standing import Incident
from tests.rules.world import MODELS, T0, World, at, of, reading

AREA = "500156"
FLATS = tuple(f"{riser}{number}" for riser in "ab" for number in (1, 2, 3, 4))
HOUSES = tuple(f"h{number}" for number in range(1, 13))
SITES = (
    *(Site(name, area=AREA, building="7", riser="1" if name[0] == "a" else "2") for name in FLATS),
    *(Site(name, area=AREA) for name in HOUSES),
    Site("far", area="500243"),
)
_AT_A1 = {"a1x": "detector", "a1v": "valve"}
_GATEWAYS = ("gate", "hub")
NAMES = (*FLATS, *HOUSES, "far", *_AT_A1, *_GATEWAYS)
NUMBER = {name: 100 + at for at, name in enumerate(NAMES)}


def devices(names: Sequence[str] = NAMES) -> tuple[Device, ...]:
    found = []
    for name in names:
        model = _AT_A1.get(name) or ("gateway" if name in _GATEWAYS else "detector")
        site = "a1" if name in _AT_A1 else "h1" if name in _GATEWAYS else name
        behind = {"gate": "davysim/hub", **dict.fromkeys(HOUSES[:4], "davysim/gate")}.get(name, "")
        found.append(Device(NUMBER[name], "davysim", name, model, site, gateway=behind))
    return tuple(found)


def block(names: Sequence[str] = NAMES, sites: Sequence[Site] = SITES) -> Registry:
    links = (Link("davysim/a1", "davysim/a1v"),) if {"a1", "a1v"} <= {*names} else ()
    return Registry(models=MODELS, sites=tuple(sites), devices=devices(names), links=links)


class Block(World):
    """The block with these rules. Devices are named as above."""

    def __init__(self, rules: RulePack, what: Registry | None = None) -> None:
        super().__init__(rules, what or block())
        self.said = 0

    def hear(self, name: str, t: float, *, ts_s: float | None = None, **said: Any) -> list[Decision]:
        row = reading("d1", t, ts_s=ts_s, **said)
        row["device_no"] = NUMBER[name]
        return self.step([row], (), t)

    def says(self, kind: type[Instruction], t: float, **what: Any) -> list[Decision]:
        """A person (li, unless `by` says another) gives an instruction."""
        self.said += 1
        said: Any = kind
        return self.tell(said(at=at(t), id=f"said-{self.said}", **{"by": "li", **what}))

    def incident(self, key: str) -> Incident:
        """The open incident of a site, a riser, a building or an area."""
        (found,) = (one for one in self.state.incidents.values() if one.key == key)
        return found


def told(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    """(key, what) of every word about an incident, in order."""
    return [(one.key, str(one.change)) for one in of(IncidentChanged, decisions)]


def seconds(us: int) -> float:
    return (us - T0) / 1_000_000
