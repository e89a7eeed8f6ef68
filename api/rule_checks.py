"""Rules that are handed in, looked at as `davy rules check` looks at a file."""

from functools import cache
from typing import NamedTuple

from api.apart_work import Document
from api.problems import BAD_PARAMETER, Problem
from api.rule_shapes import RuleFault, RulesChecked, RulesGiven
from devices.fleet import build_fleet
from devices.models import DeviceModel, load_catalogue
from devices.sites import Registry
from rules.documents.document import PackRefused, RulePack, load_pack
from rules.documents.faults import PlacedFault
from rules.documents.left_out import left_out, warnings
from rules.documents.merged import built_in, built_in_pack, merge
from rules.evaluation.kernels import compile_new

#: Faults of one answer at most; who mends these sees the next.
MOST_FAULTS = 100


class Sound(NamedTuple):
    """A pack that may be used, and the document it is."""

    document: Document
    pack: RulePack
    bytes_per_device: int


def look(given: RulesGiven) -> Sound:
    """The rules as one pack. Raises PackRefused with every fault, ValueError where they remember too much of a device,
    Problem (422) where nothing was handed in or a built-in pack is unknown."""
    names = [one.name for one in given.documents] + [f"{name}.toml" for name in given.packs]
    if not names:
        raise Problem(BAD_PARAMETER, "documents, packs: name at least one")
    if len(set(names)) != len(names):
        raise Problem(BAD_PARAMETER, "documents, packs: each has a name of its own, so that a fault can be found")
    unknown = sorted(set(given.packs) - set(built_in()))
    if unknown:
        known = ", ".join(built_in())
        raise Problem(BAD_PARAMETER, f"packs: there is no pack {', '.join(unknown)}; there are {known}")
    parts = [(one.name, one.toml.encode("utf-8", "surrogatepass")) for one in given.documents]
    parts += [(f"{name}.toml", built_in_pack(name)) for name in given.packs]
    document = Document(names[0] if len(names) == 1 else "all together", merge(parts))
    pack = load_pack(document.body, document.name)
    return Sound(document, pack, compile_new(pack, build_fleet(Registry())).bytes_per_device)


@cache
def _models() -> tuple[DeviceModel, ...]:
    """Of what devices may be: the catalogue that Davy brings."""
    return load_catalogue()


def checked(given: RulesGiven) -> RulesChecked:
    """Whether they may be used together, or every fault. Raises Problem (422) as `look` does."""
    try:
        sound = look(given)
    except PackRefused as refused:
        return _refused([_fault(one) for one in refused.faults[:MOST_FAULTS]])
    except ValueError as too_much:
        reason = str(too_much)
        return _refused([RuleFault(place="", rule=None, key=None, reason=reason, column=None, pointed=None)])
    return RulesChecked(
        ok=True,
        faults=[],
        rules=[rule.id for rule in sound.pack.rules],
        bytes_per_device=sound.bytes_per_device,
        note=left_out(sound.pack) or None,
        warnings=list(warnings(sound.pack, _models())),
    )


def sound(given: RulesGiven, where: str) -> Sound:
    """As `look`, for who wants to use them. Raises Problem (422) that names the first faults."""
    try:
        return look(given)
    except PackRefused as refused:
        more = len(refused.faults) - 5
        first = "; ".join(str(fault) for fault in refused.faults[:5])
        detail = f"{where}: {first}" + (f"; and {more} more: POST /v1/rules/check tells all" if more > 0 else "")
        raise Problem(BAD_PARAMETER, detail) from refused
    except ValueError as too_much:
        raise Problem(BAD_PARAMETER, f"{where}: {too_much}") from too_much


def _refused(faults: list[RuleFault]) -> RulesChecked:
    return RulesChecked(ok=False, faults=faults, rules=[], bytes_per_device=None, note=None, warnings=[])


def _fault(one: PlacedFault) -> RuleFault:
    fault = one.fault
    return RuleFault(
        place=one.place,
        rule=one.called or None,
        key=fault.key or None,
        reason=fault.reason,
        column=fault.start + 1 if fault.text else None,
        pointed=fault.caret or None,
    )
