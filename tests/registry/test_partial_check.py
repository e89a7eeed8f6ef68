"""P1 of storage/registry_plan.py: what is read of a registry is enough to judge a change of it."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.models import DeviceModel
from devices.register import Installation
from devices.sites import Link, MatrixRow, Site
from storage.database import Connection, connect
from storage.registry import import_registry
from storage.registry_known import Plan
from storage.registry_plan import plan_import
from storage.registry_reach import reach
from storage.registry_read import read_known
from storage.registry_rows import DeviceGiven, Given, Leaves, SourceRow, TokenGiven, key_of, kind_name
from tests.storage.test_registry import bus_models

MODELS = bus_models()
KEYS = ("sim_detector_home", "sim_valve_shut_off", "sim_gateway", "panel_head", "no_such_model")
SITES = ("s0", "s1", "s2")
NAMES = tuple(f"davysim/{one}" for one in "abcdefgh")
ADDRESSES = ("", "1", "2", "1/2", "modbus+tcp://h:1", "modbus+tcp://h:2", "modbus+rtu:/dev/tty0?baud=2400")

sites = st.builds(Site, key=st.sampled_from(SITES), simulated=st.booleans(), name=st.sampled_from(["", "x"]))
devices = st.builds(
    DeviceGiven,
    vendor=st.just("davysim"),
    serial=st.sampled_from("abcdefgh"),
    model=st.sampled_from(KEYS[:4] * 4 + KEYS[4:]),
    site=st.sampled_from(SITES),
    gateway=st.sampled_from(("", "", *NAMES[:3])),
    address=st.sampled_from(ADDRESSES),
)
names = st.sampled_from(NAMES)
links = st.builds(Link, detector=names, valve=names)
matrix = st.builds(
    MatrixRow,
    id=st.sampled_from(["m: 1", "m2"]),
    detectors=st.lists(names, max_size=3).map(tuple),
    votes=st.integers(1, 2),
    valves=st.lists(names, max_size=2).map(tuple),
)
tokens = st.builds(TokenGiven, identity=names, sha256=st.sampled_from(["", "0" * 64, "1" * 64]))
installations = st.builds(
    Installation,
    key=st.sampled_from(["i1", "i2", "i3"]),
    identity=names,
    site=st.sampled_from(SITES),
    since=st.just("2026-01-01"),
    until=st.sampled_from(["", "2026-02-01"]),
)
leaving = (
    st.builds(Leaves, kind=st.just("device"), key=names)
    | st.builds(Leaves, kind=st.just("site"), key=st.sampled_from(SITES))
    | st.builds(Leaves, kind=st.just("token"), key=names)
    | st.builds(Leaves, kind=st.just("matrix"), key=st.sampled_from(["m: 1", "m2"]))
    | links.map(lambda link: Leaves("link", key_of(link)))
)
rows = sites | devices | devices | links | matrix | tokens | installations
ORDER = ("site", "device", "installation", "link", "matrix", "token")


def as_rows(given_rows: Sequence[Given]) -> list[SourceRow]:
    once = {(kind_name(one), key_of(one)): one for one in given_rows}.values()
    ordered = sorted(once, key=lambda one: ORDER.index(kind_name(one)))
    return [SourceRow(f"row {at}", kind_name(one), key_of(one), one) for at, one in enumerate(ordered)]


def faster(model: DeviceModel, kept: Sequence[DeviceModel]) -> tuple[DeviceModel, ...]:
    """The catalogue with one model changed into something else that it can be."""
    return tuple(model if one.key == model.key else one for one in kept)


async def planned_both_ways(
    connection: Connection, change: Sequence[SourceRow], models: Sequence[DeviceModel]
) -> tuple[Plan, Plan]:
    whole = plan_import(await read_known(connection, facts=True), change, models)
    found = await reach(connection, change, models)
    part = plan_import(
        found.known, change, models, judged=found.judged, next_no=found.next_no, model_users=found.model_users
    )
    return whole, part


#: A small installation in which everything has a neighbour: two buses, a gateway without one, links and a row.
BASE: tuple[Given, ...] = (
    *(Site("s0"), Site("s1"), Site("s2", simulated=True)),
    DeviceGiven("davysim", "a", "sim_gateway", "s0", "", "modbus+tcp://h:1"),
    DeviceGiven("davysim", "b", "sim_gateway", "s0", "", "modbus+tcp://h:2"),
    DeviceGiven("davysim", "c", "sim_gateway", "s1"),
    DeviceGiven("davysim", "d", "panel_head", "s0", "davysim/a", "1"),
    DeviceGiven("davysim", "e", "panel_head", "s0", "davysim/a", "2"),
    DeviceGiven("davysim", "f", "sim_detector_home", "s1", "davysim/c"),
    DeviceGiven("davysim", "g", "sim_valve_shut_off", "s1", "davysim/c"),
    Link("davysim/f", "davysim/g"),
    MatrixRow("m: 1", ("davysim/d", "davysim/f"), 1, (), ("davysim/g",)),
    TokenGiven("davysim/c", "2" * 64),
    Installation("i1", "davysim/f", "s1", "2026-01-01"),
)


#: Each breaks something beside it, in BASE.
NEIGHBOURLY: tuple[Given, ...] = (
    DeviceGiven("davysim", "a", "sim_gateway", "s0", "", "modbus+tcp://h:2"),  # the bus of another gateway
    DeviceGiven("davysim", "a", "sim_gateway", "s0"),  # no bus, and units behind it
    DeviceGiven("davysim", "a", "sim_detector_home", "s0"),  # no gateway, and units behind it
    DeviceGiven("davysim", "d", "panel_head", "s0", "davysim/a", "2"),  # the place of another unit
    DeviceGiven("davysim", "c", "sim_valve_shut_off", "s1"),  # no gateway, and devices behind it
    DeviceGiven("davysim", "g", "sim_detector_home", "s1"),  # no valve, and a link and a row to it
    DeviceGiven("davysim", "f", "sim_detector_home", "s2", "davysim/c"),  # simulated, with a link to what is not
    DeviceGiven("davysim", "f", "sim_detector_home", "s0", "davysim/c"),  # elsewhere, with an open installation
    Site("s1", simulated=True),  # half of a row of the matrix
    Leaves("site", "s0"),
    Leaves("device", "davysim/a"),
    Leaves("device", "davysim/g"),
)


async def registered(connection: Connection, given_rows: Sequence[Given]) -> None:
    """BASE, and of the rows each that can stand beside those before it."""
    done = await import_registry(connection, as_rows(BASE), MODELS, dry_run=False, random_bytes=os.urandom)
    assert done.applied, done
    for one in given_rows:
        await import_registry(connection, as_rows([one]), MODELS, dry_run=False, random_bytes=os.urandom)


async def compare(
    url: str, before: Sequence[Given], change: Sequence[Given], models: Sequence[DeviceModel], seen: Counter[str]
) -> None:
    connection = await connect(url, name="test")
    try:
        async with connection.transaction(force_rollback=True):
            await registered(connection, before)
            whole, part = await planned_both_ways(connection, as_rows(change), models)
            assert sorted(map(repr, part.fates)) == sorted(map(repr, whole.fates))
            assert sorted(part.faults) == sorted(whole.faults)
            assert sorted(part.warnings) == sorted(whole.warnings)
            seen["refused" if whole.refused else "faults" if whole.faults else "fine"] += 1
    finally:
        await connection.close()


def test_a_change_is_judged_the_same_by_its_neighbours_as_by_the_whole_registry(plain_url: str) -> None:
    seen: Counter[str] = Counter()
    detector = next(one for one in MODELS if one.key == "sim_detector_home")
    head = next(one for one in MODELS if one.key == "panel_head")
    on_a_bus = msgspec.structs.replace(detector, modbus=head.modbus, measures=("combustible_lel",))
    off_the_bus = msgspec.structs.replace(head, modbus=None)
    catalogues = (MODELS, MODELS, MODELS, faster(on_a_bus, MODELS), faster(off_the_bus, MODELS))

    for one in NEIGHBOURLY:
        asyncio.run(compare(plain_url, [], [one], MODELS, seen))
    assert seen["faults"] + seen["refused"] == len(NEIGHBOURLY)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
    @given(
        before=st.lists(rows, max_size=3),
        change=st.lists(rows, min_size=1, max_size=4) | st.lists(leaving, min_size=1, max_size=2),
        models=st.sampled_from(catalogues),
    )
    def compared(before: list[Given], change: list[Given], models: tuple[DeviceModel, ...]) -> None:
        asyncio.run(compare(plain_url, before, change, models, seen))

    compared()
    assert seen["refused"]
    assert seen["fine"]
    assert seen["faults"]
