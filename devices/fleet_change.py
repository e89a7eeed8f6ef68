"""A fleet after a change of the registry, laid out anew only where the change touches it.

L1  `changed_fleet` gives what `build_fleet` gives of the changed registry, but that classes and groups keep their
    numbers: new ones follow, and one that nobody is left in stays. Nothing may depend on these numbers.
L2  What is not touched is shared with the fleet before; nothing of that is altered, so it may be read meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from devices.classes import Classes, Group, Grouping, classify, days_us, group
from devices.fleet import (
    Effects,
    Fan,
    Fleet,
    ShutOffValve,
    build_fleet,
    commanded,
    decoders_of,
    effects_of,
    life_end_us,
    microseconds,
    places_of,
    rows_by,
)
from devices.left import Left, LeftDevice, LeftSite
from devices.models import DeviceKind, DeviceModel
from devices.registry_book import RegistryBook
from devices.sites import Device, Link, RegistryChange, Site

#: A change that touches more than this part of all devices, and more than so many, is laid out as a whole: it is no
#: slower from there on (measured).
_WHOLE_PART, _WHOLE_FROM = 0.2, 1_000

_Column = TypeVar("_Column", np.int32, np.int64, np.uint64, np.bool_)
_One = TypeVar("_One")
_Key = TypeVar("_Key")
_Commanded = TypeVar("_Commanded", ShutOffValve, Fan)


@dataclass(frozen=True, slots=True)
class Touched:
    """The slots that a change touches, ascending, and what stands there after it (None: nothing). order: device numbers
    by slot, of the whole fleet after it."""

    slots: NDArray[np.intp]
    devices: tuple[Device | None, ...]
    models: tuple[DeviceModel | None, ...]
    sites: tuple[Site | None, ...]
    order: NDArray[np.int32]


def changed_fleet(book: RegistryBook, before: Fleet, change: RegistryChange) -> Fleet:
    """`book` is the registry that `before` was made of, and stays as it is. Raises ValueError with every fault."""
    faults = book.faults(change)
    if faults:
        raise ValueError("registry refused: " + "; ".join(faults))
    names = book.touched(change)
    if change.put.models or len(names) > max(_WHOLE_FROM, _WHOLE_PART * len(before)):
        return build_fleet(book.after(change), before)
    return _Changing(book, before, change, names).fleet()


class _Changing:
    """One change under way."""

    def __init__(self, book: RegistryBook, before: Fleet, change: RegistryChange, names: Iterable[str]) -> None:
        self.book, self.before, self.change, self.names = book, before, change, tuple(names)
        self.put = {device.identity: device for device in change.put.devices}
        self.gone = {name for name in change.gone.devices if name not in self.put}
        sites = {site.key: site for site in change.put.sites}
        self.site_by_key = _edited(before.site_by_key, change.gone.sites, sites)
        self.touched = self._touched()
        slots = self.touched.slots.tolist()
        moved = [name for name in self.names if self._device(name) is None or name not in before.slot_by_identity]
        here = {one.identity: slot for slot, one in zip(slots, self.touched.devices, strict=True) if one}
        moved += [name for name, slot in here.items() if before.slot_by_identity.get(name, slot) != slot]
        self.slot_by_identity = _edited(before.slot_by_identity, moved, {n: here[n] for n in moved if n in here})
        self.valves = self._commanded(before.valves, ShutOffValve, DeviceKind.SHUT_OFF_VALVE)
        self.fans = self._commanded(before.fans, Fan, DeviceKind.FAN)

    def fleet(self) -> Fleet:
        before, touched = self.before, self.touched
        devices, models, sites = touched.devices, touched.models, touched.sites
        links, watches, closed_by = self._linked()
        matrix = self._matrix()
        same = matrix is before.matrix
        intervals = microseconds([model.report_interval_s if model else 0.0 for model in models])
        ages = microseconds([model.max_age_s if model else 0.0 for model in models])
        due = days_us([one.calibration_due if one else "" for one in devices], [0] * len(devices))
        groups = group(devices, sites)
        return replace(
            before,
            devices=_replaced(before.devices, touched, devices),
            device_no=touched.order,
            slot_of=self._slot_of(),
            present=_column(before.present, touched, np.array([one is not None for one in devices], np.bool_)),
            interval_us=_column(before.interval_us, touched, intervals),
            max_age_us=_column(before.max_age_us, touched, ages),
            simulated=_column(before.simulated, touched, np.array([bool(s and s.simulated) for s in sites], np.bool_)),
            links=links,
            watches=watches,
            valves=self.valves,
            slot_by_identity=self.slot_by_identity,
            model_by_slot=_replaced(before.model_by_slot, touched, models),
            site_by_slot=_replaced(before.site_by_slot, touched, sites),
            decoder_by_slot=_column(before.decoder_by_slot, touched, decoders_of(before.decoders, models)),
            place_by_slot=_column(before.place_by_slot, touched, self._places()),
            gateways=self._gateways(),
            classes=_classes(before.classes, touched),
            groups={sort: _grouping(before.groups[sort], groups[sort], touched) for sort in Group},
            life_end_us=_column(before.life_end_us, touched, life_end_us(devices, models, sites)),
            calibration_due_us=_column(before.calibration_due_us, touched, due),
            fans=self.fans,
            matrix=matrix,
            rows_of=before.rows_of if same else rows_by(matrix, lambda row: row.slots),
            closed_by=closed_by,
            rows_to=before.rows_to if same else rows_by(matrix, lambda row: row.targets),
            site_by_key=self.site_by_key,
            left=self._left(),
            whole=self.book.registry,
            touched=self._reached(matrix),
            mark=object(),
            follows=before.mark,
        )

    def _reached(self, matrix: tuple[Effects, ...]) -> NDArray[np.intp]:
        """`touched` of the fleet after: with what is, or was, linked to something touched, or in one row with it."""
        found = set(self.touched.slots.tolist())
        found |= {slot for name in self._ends() for slot in self._slots(name)}
        if matrix is not self.before.matrix:
            rows = {row.id for row in self.change.put.matrix} | set(self.change.gone.matrix)
            rows |= {key for name in self.names for key in self.book.rows_of.get(name, ())}
            effects = [one for one in (*self.before.matrix, *matrix) if one.id in rows]
            found |= {slot for one in effects for slot in (*one.slots, *one.targets)}
        return np.array(sorted(found), np.intp)

    def _slots(self, name: str) -> list[int]:
        """Where it stood and where it stands."""
        both = (self.before.slot_by_identity, self.slot_by_identity)
        return [one[name] for one in both if name in one]

    def _device(self, name: str) -> Device | None:
        """What is called so after the change."""
        return None if name in self.gone else self.put.get(name) or self.book.devices.get(name)

    def _touched(self) -> Touched:
        known: dict[int, int] = {}
        here: dict[int, Device | None] = {}
        new: list[int] = []
        for name in self.names:
            was, now = self.book.devices.get(name), self._device(name)
            for one in (was, now):
                if one is not None and one.device_no not in known:
                    slot = self._slot_ever(one.device_no)
                    known[one.device_no] = slot if slot >= 0 else len(self.before) + len(new)
                    new += [one.device_no] if slot < 0 else []
            if was is not None:
                here.setdefault(known[was.device_no], None)
            if now is not None:
                here[known[now.device_no]] = now
        slots = sorted(here)
        devices = tuple(here[slot] for slot in slots)
        models = {model.key: model for model in self.before.models}
        return Touched(
            slots=np.array(slots, np.intp),
            devices=devices,
            models=tuple(models[one.model] if one else None for one in devices),
            sites=tuple(self.site_by_key[one.site] if one else None for one in devices),
            order=np.concatenate([self.before.device_no, np.array(new, np.int32)]) if new else self.before.device_no,
        )

    def _slot_ever(self, device_no: int) -> int:
        """-1: this number was never here."""
        before = self.before
        slot = int(before.slot_of[device_no]) if device_no < len(before.slot_of) else -1
        if slot < 0 and device_no in before.left.devices:
            slot = int(np.flatnonzero(before.device_no == device_no)[0])
        return slot

    def _slot_of(self) -> NDArray[np.int32]:
        touched, before = self.touched, self.before.slot_of
        numbers = touched.order[touched.slots]
        now = np.where([one is not None for one in touched.devices], touched.slots, -1).astype(np.int32)
        many = max(len(before), int(numbers.max(initial=0)) + 1)
        if many == len(before) and (before[numbers] == now).all():
            return before
        found = np.full(many, -1, np.int32)
        found[: len(before)] = before
        found[numbers] = now
        return found

    def _commanded(
        self, before: dict[int, _Commanded], make: type[_Commanded], kind: DeviceKind
    ) -> dict[int, _Commanded]:
        """`before` (by slot), where what is touched takes commands or does not."""
        touched = self.touched
        found = {
            int(touched.slots[one.slot]): replace(one, slot=int(touched.slots[one.slot]))
            for one in commanded(make, kind, touched.devices, touched.models)
        }
        return _edited(before, touched.slots.tolist(), found)

    def _links_after(self, name: str) -> list[Link]:
        """Links that name it, in the order of the registry."""
        gone = set(self.change.gone.links)
        kept = [link for link in self.book.links_of.get(name, ()) if link not in gone]
        put = [link for link in self.change.put.links if name in (link.detector, link.valve)]
        return list(dict.fromkeys([*kept, *put]))

    def _ends(self) -> list[str]:
        """What is touched, and both ends of every link that is, or that names it."""
        edited = [*self.change.put.links, *self.change.gone.links]
        edited += [link for name in self.names for link in self.book.links_of.get(name, ())]
        return list(dict.fromkeys([*self.names, *(end for link in edited for end in (link.detector, link.valve))]))

    def _linked(
        self,
    ) -> tuple[dict[int, tuple[ShutOffValve, ...]], dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
        """`links`, `watches` and `closed_by` of the fleet after."""
        before, slot, names = self.before, self.slot_by_identity, self._ends()
        ends = [*self.touched.slots.tolist(), *(slot[name] for name in names if name in slot)]
        links: dict[int, tuple[ShutOffValve, ...]] = {}
        watches: dict[int, tuple[int, ...]] = {}
        closed_by: dict[int, tuple[int, ...]] = {}
        for name in names:
            after = self._links_after(name)
            linked = [slot[link.valve] for link in after if link.detector == name]
            closes = tuple(self.valves[valve] for valve in linked if valve in self.valves)
            watched = tuple(valve for valve in linked if valve not in self.valves)
            detectors = [slot[link.detector] for link in after if link.valve == name]
            links |= {slot[name]: closes} if closes else {}
            watches |= {slot[name]: watched} if watched else {}
            closed_by |= {slot[name]: tuple(sorted(detectors))} if detectors and slot[name] in self.valves else {}
        return (
            _edited(before.links, ends, links),
            _edited(before.watches, ends, watches),
            _edited(before.closed_by, ends, closed_by),
        )

    def _matrix(self) -> tuple[Effects, ...]:
        """All rows, anew, when one of them is touched: they hold what they act on."""
        change, rows_of = self.change, self.book.rows_of
        if not (change.put.matrix or change.gone.matrix or any(name in rows_of for name in self.names)):
            return self.before.matrix
        rows = _edited(self.book.matrix, change.gone.matrix, {row.id: row for row in change.put.matrix})
        return effects_of(rows.values(), self.slot_by_identity, self.valves, self.fans)

    def _places(self) -> NDArray[np.uint64]:
        """With their gateways beside them, which say where the bus is."""
        touched = self.touched
        names = dict.fromkeys(one.gateway for one in touched.devices if one and one.gateway)
        gateways = [self._device(name) for name in names]
        return places_of((*touched.devices, *gateways), (*touched.models, *(None for _ in gateways)))[
            : len(touched.devices)
        ]

    def _gateways(self) -> frozenset[str]:
        before, names = self.before.gateways, set(self.names)
        now = {one.gateway for one in self.touched.devices if one and one.gateway}
        was = {device.gateway for name in names if (device := self.book.devices.get(name)) and device.gateway}
        empty = {gateway for gateway in was - now if names.issuperset(self.book.behind[gateway])}
        return before if now <= before and not empty else (before | now) - empty

    def _left(self) -> Left:
        before, gone_sites = self.before.left, self.change.gone.sites
        touched, book = self.touched, self.book
        here = [one.device_no for one in touched.devices if one]
        was = [device for name in self.names if (device := book.devices.get(name))]
        gone = {one.device_no: LeftDevice(one.identity, one.site) for one in was if one.device_no not in here}
        closed = [book.sites[key] for key in gone_sites if key in book.sites and key not in self.site_by_key]
        return Left(
            devices=_edited(before.devices, here, gone),
            sites=_edited(
                before.sites,
                [site.key for site in self.change.put.sites],
                {site.key: LeftSite(site.enterprise, site.manager, site.area) for site in closed},
            ),
        )


def _edited(before: dict[_Key, _One], gone: Iterable[_Key], put: dict[_Key, _One]) -> dict[_Key, _One]:
    """`before` less `gone`, and with `put`; itself when that is the same."""
    leaving = [key for key in gone if key in before]
    if not leaving and not put:
        return before
    after = dict(before)
    for key in leaving:
        after.pop(key, None)
    after |= put
    return after


def _replaced(before: Sequence[_One], touched: Touched, now: Sequence[_One]) -> tuple[_One, ...]:
    after = [*before, *now[: len(touched.order) - len(before)]]
    for slot, one in zip(touched.slots.tolist(), now, strict=True):
        after[slot] = one
    return tuple(after)


def _column(before: NDArray[_Column], touched: Touched, now: NDArray[_Column]) -> NDArray[_Column]:
    if len(touched.order) == len(before) and (before[touched.slots] == now).all():
        return before
    after = np.empty(len(touched.order), before.dtype)
    after[: len(before)] = before
    after[touched.slots] = now
    return after


def _classes(before: Classes, touched: Touched) -> Classes:
    found = classify(touched.devices, touched.models, touched.sites)
    number = {one.key: at for at, one in enumerate(before.all)}
    new = [one for one in found.all if one.key not in number]
    number |= {one.key: len(before.all) + at for at, one in enumerate(new)}
    of = np.array([number[one.key] for one in found.all], np.int32)[found.of]
    return Classes(_column(before.of, touched, of), (*before.all, *new) if new else before.all)


def _grouping(before: Grouping, found: Grouping, touched: Touched) -> Grouping:
    names, numbers = before.names, before.numbers
    new = [name for name in found.names if not (numbers.get(name, len(names)) < len(names))]
    numbers.update((name, len(names) + at) for at, name in enumerate(new))
    of = np.array([*(numbers[name] for name in found.names), -1], np.int32)[found.of]
    return Grouping(_column(before.of, touched, of), (*names, *new) if new else names, numbers)
