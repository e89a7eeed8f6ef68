"""Rows of the database on their way to the columns of coverage (devices/coverage_columns.py)."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.classes import HOUSEHOLD
from devices.coverage_columns import NO_DAY, AsOf, Devices, Sites, Words
from devices.fleet import life_days
from devices.models import DeviceModel
from devices.register import Neighbourhood
from storage.coverage_rules import Ruled
from storage.coverage_sql import BETWEEN
from storage.times import HOUR_US


@dataclass(slots=True)
class _Coded:
    """Words on their way to a column: each once, in the order they come."""

    index: dict[str, int] = field(default_factory=dict)
    of: "array[int]" = field(default_factory=lambda: array("i"))

    def add(self, words: Sequence[str]) -> None:
        index = self.index
        self.of.extend([index.setdefault(word, len(index)) for word in words])

    def done(self) -> Words:
        """In the order of the words."""
        every = tuple(sorted(self.index))
        place = {word: n for n, word in enumerate(every)}
        moved = np.fromiter((place[word] for word in self.index), np.int32, len(self.index))
        of = np.frombuffer(self.of, np.int32) if self.of else np.zeros(0, np.int32)
        return Words(moved[of] if len(every) else of.copy(), every)


@dataclass(frozen=True, slots=True)
class SiteKinds:
    """What rules and lives know of each site: its row, and a number for its (class, company, area, tags)."""

    row: dict[str, int]
    kind: "array[int]"
    all: tuple[tuple[str, str, str, str], ...]


class SiteColumns:
    """Rows of coverage_sql.SITES."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._flags = tuple(array("b") for _ in range(4))
        self._height, self._gas_on = array("f"), array("i")
        self._words = {name: _Coded() for name in ("supply", "area", "department", "enterprise", "manager")}
        self._kinds: dict[tuple[str, str, str, str], int] = {}
        self._kind = array("i")

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        key, of_class, stock, hardship, height, gas_on, supply, area, department, enterprise, manager, tags = zip(
            *rows, strict=True
        )
        self._keys += key
        resident, old, new, hard = self._flags
        resident.extend([(one or HOUSEHOLD) == HOUSEHOLD for one in of_class])
        old.extend([one == Neighbourhood.OLD for one in stock])
        new.extend([one == Neighbourhood.NEW for one in stock])
        hard.extend(hardship)
        self._height.extend(height)
        self._gas_on.extend(gas_on)
        for name, column in zip(self._words, (supply, area, department, enterprise, manager), strict=True):
            self._words[name].add(column)
        kinds = self._kinds
        for one in zip(of_class, enterprise, area, tags, strict=True):
            self._kind.append(kinds.setdefault(one, len(kinds)))

    def done(self, contacts: Mapping[str, int]) -> tuple[Sites, SiteKinds]:
        resident, old, new, hardship = (np.array(one, np.int8).astype(np.bool_) for one in self._flags)
        keys = tuple(self._keys)
        sites = Sites(
            keys=keys,
            resident=resident,
            old=old,
            new=new,
            hardship=hardship,
            height_m=np.array(self._height, np.float32),
            gas_on=np.array(self._gas_on, np.int32),
            contact=np.fromiter((contacts.get(key, NO_DAY) for key in keys), np.int32, len(keys)),
            **{name: coded.done() for name, coded in self._words.items()},
        )
        return sites, SiteKinds({key: n for n, key in enumerate(keys)}, self._kind, tuple(self._kinds))


class DeviceColumns:
    """Rows of coverage_sql.DEVICES."""

    def __init__(self, models: Mapping[str, DeviceModel], kinds: SiteKinds, ruled: Ruled) -> None:
        self._models, self._kinds, self._ruled = models, kinds, ruled
        self._identities: list[str] = []
        self._site, self._attached = array("i"), array("b")
        #: installed, first used, calibration due, end of life, worked, evidence, closed.
        self._days = tuple(array("i") for _ in range(7))
        self._seen = array("q")
        self._model, self._life = _Coded(), array("i")
        self._known: dict[tuple[str, int, str], tuple[bool, int]] = {}

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        identity, site, model, tags, *days, seen, closed = zip(*rows, strict=True)
        self._identities += identity
        places = [self._kinds.row[one] for one in site]
        self._site.extend(places)
        self._model.add(model)
        for column, values in zip(self._days, (*days, closed), strict=True):
            column.extend(values)
        self._seen.extend(seen)
        of_site, known = self._kinds.kind, self._known
        for key in zip(model, [of_site[place] for place in places], tags, strict=True):
            found = known.get(key)
            if found is None:
                found = known[key] = self._of(*key)
            self._attached.append(found[0])
            self._life.append(found[1])

    def _of(self, model: str, kind: int, tags: str) -> tuple[bool, int]:
        """Whether a rule looks at such a device, and its life in days, 0 where nobody knows."""
        site_class, enterprise, area, site_tags = self._kinds.all[kind]
        one, every = self._models[model], (*_apart(tags), *_apart(site_tags))
        attached = self._ruled.looks_at(one, enterprise, area, site_class or HOUSEHOLD, every)
        return attached, life_days(one, site_class)

    def done(self, at: AsOf) -> Devices:
        model, n = self._model.done(), len(self._identities)
        installed, used, due, printed, worked, evidence, closed = (np.array(one, np.int32) for one in self._days)
        life = np.array(self._life, np.int32)
        counted = np.where((used != NO_DAY) & (life > 0), used + life, np.int32(NO_DAY)).astype(np.int32)
        every = [self._models[key] for key in model.all]
        intervals = np.array([one.report_interval_s for one in every], np.float32)
        return Devices(
            identities=tuple(self._identities),
            site=np.array(self._site, np.int32),
            kind=_by_model(model, [str(one.kind) for one in every]),
            tier=_by_model(model, ["" if one.tier is None else str(one.tier) for one in every]),
            seen_us=_hours(np.array(self._seen, np.int64), at.until_us),
            interval_s=intervals[model.of] if n else np.zeros(0, np.float32),
            installed=installed,
            calibration_due=due,
            life_end=np.where(printed != NO_DAY, printed, counted).astype(np.int32),
            ruled=np.array(self._attached, np.int8).astype(np.bool_),
            closed=closed,
            evidence=evidence,
            worked=worked,
        )


def _by_model(model: Words, words: Sequence[str]) -> Words:
    every = tuple(sorted(set(words)))
    place = np.array([every.index(word) for word in words], np.int32)
    return Words(place[model.of] if len(words) else model.of, every)


def _hours(seen_us: NDArray[np.int64], until_us: int) -> NDArray[np.int64]:
    """The end of the hour of each, so that readings and hours say the same (coverage_sql.py, E3); 0 stays."""
    return np.where(seen_us > 0, np.minimum(seen_us // HOUR_US * HOUR_US + HOUR_US, until_us), 0)


def _apart(tags: str) -> list[str]:
    return tags.split(BETWEEN) if tags else []
