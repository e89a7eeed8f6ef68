"""A small registry of bus devices, a ModbusLink on real sockets, and a taker in the cycle's place that notes in which
take each thing came."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random

import numpy as np

from devices.codecs.frame import HEADER, FrameState
from devices.commands import Command, Verb
from devices.fleet import Fleet, build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel
from devices.register_map import (
    CommandProcedure,
    Field,
    Heartbeat,
    Notation,
    RegisterMap,
    Space,
    Term,
    ValveWhen,
    Write,
)
from devices.sites import Device, Registry, Site
from ingest.links import Arrivals, Sending, Settled
from ingest.modbus import ModbusLink

#: Nothing on loopback takes this long; a test that waits it out has failed.
PATIENCE_S = 10.0
GATEWAY = 1


def steady_us() -> int:
    return time.monotonic_ns() // 1_000


def utc_us() -> int:
    return time.time_ns() // 1_000


def detector(key: str = "detector", *, interval_s: float = 0.2, reply_ms: float = 150, **more: object) -> DeviceModel:
    """Gas at holding 0 and 1 (f32), a status word at 10; with `heartbeat_s` a counter at 11."""
    heartbeat_s = more.pop("heartbeat_s", None)
    fields = [
        Field(name="gas", at=0, space=Space.HOLDING, type="f32", quantity="combustible_lel"),
        Field(name="status", at=10, space=Space.HOLDING),
    ]
    if heartbeat_s is not None:
        fields.append(Field(name="beat", at=11, space=Space.HOLDING, bits=(3, 3)))
    chart = RegisterMap(
        field=tuple(fields),
        notation=Notation.ZERO_BASED,
        reply_within_ms=reply_ms,
        heartbeat=Heartbeat("beat", float(str(heartbeat_s))) if heartbeat_s is not None else None,
        **more,  # type: ignore[arg-type]
    )
    return DeviceModel(
        key=key,
        vendor="acme",
        name=key,
        kind=DeviceKind.DETECTOR,
        source="test",
        report_interval_s=interval_s,
        modbus=chart,
    )


def valve(key: str = "valve", *, style: str = "latched", interval_s: float = 0.5, **more: object) -> DeviceModel:
    """Position at input 6: 0 closed, 1000 open. LATCHED: register 5 = 1. ONE_SHOT: coil 1 on, then off."""
    pulse_ms, then = float(str(more.pop("pulse_ms", 50))), more.pop("then", ())
    if style == "one_shot":
        command = CommandProcedure(
            verb="close",
            style="one_shot",
            write=(Write(function=5, at=1, values=(1,)),),
            pulse_ms=pulse_ms,
            release=(Write(function=5, at=1, values=(0,)),),
        )
    else:
        unlock = Write(function=16, at=20, values=(7, 9), pause_ms=5, then=then)  # type: ignore[arg-type]
        command = CommandProcedure(verb="close", style="latched", write=(unlock, Write(function=6, at=5, values=(1,))))
    chart = RegisterMap(
        field=(
            Field(name="position", at=6, space=Space.INPUT),
            Field(name="unlocked", at=21, space=Space.HOLDING),
        ),
        notation=Notation.ZERO_BASED,
        reply_within_ms=150,
        command=(command,) if style != "none" else (),
        valve=(
            ValveWhen(position="closed", when=(Term(field="position", one_of=(0,)),)),
            ValveWhen(position="open", when=(Term(field="position", one_of=(1000,)),)),
        ),
        **more,  # type: ignore[arg-type]
    )
    return DeviceModel(
        key=key,
        vendor="acme",
        name=key,
        kind=DeviceKind.SHUT_OFF_VALVE,
        source="test",
        report_interval_s=interval_s,
        modbus=chart,
        actuator=Actuator(),
    )


GATEWAY_MODEL = DeviceModel(
    key="gateway", vendor="acme", name="gateway", kind=DeviceKind.GATEWAY, source="test", report_interval_s=60
)


def registry(url: str, *devices: tuple[int, str, DeviceModel], others: tuple[Device, ...] = ()) -> Registry:
    """A gateway at `url` (number 1) and devices behind it: (device number, address, model)."""
    models = {GATEWAY_MODEL.key: GATEWAY_MODEL} | {model.key: model for _, _, model in devices}
    return Registry(
        models=tuple(models.values()),
        sites=(Site("boiler-room"),),
        devices=(
            Device(GATEWAY, "acme", "g1", "gateway", "boiler-room", address=url),
            *others,
            *(
                Device(number, "acme", f"d{number}", model.key, "boiler-room", "acme/g1", address)
                for number, address, model in devices
            ),
        ),
    )


@dataclass
class Taker:
    """Takes as soon as it is woken. takes: everything that came, in order."""

    takes: list[Arrivals] = field(default_factory=list)
    paused: bool = False
    withhold: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    link: ModbusLink | None = None

    def wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.turn)

    def turn(self) -> None:
        if self.paused or self.link is None:
            return
        arrivals = self.link.take(8_192)
        if arrivals is None:
            return
        self.takes.append(arrivals)
        many = len(arrivals.device_no)
        withheld = frozenset(range(many)) if self.withhold else frozenset()
        ones = np.ones(many, np.int64)
        self.link.settle(arrivals, Settled(withheld, ones, 0 * ones, 0 * ones, in_reserve=self.withhold))
        self._news.set()

    def frames(self, device_no: int) -> list[tuple[FrameState, int, bytes]]:
        """(state, seq, words) of everything the device has said."""
        found = []
        for taken in self.takes:
            for number, payload in zip(taken.device_no, taken.payload, strict=True):
                if number == device_no:
                    state, seq, _ = HEADER.unpack_from(payload)
                    found.append((FrameState(state), seq, payload[HEADER.size :]))
        return found

    def states(self, device_no: int) -> list[FrameState]:
        return [state for state, _, _ in self.frames(device_no)]

    def all(self, what: str) -> list[object]:
        return [one for taken in self.takes for one in getattr(taken, what)]

    async def until(self, holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Wait until it holds; looked at after every take, and now and then."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), 0.02)


def fleet(url: str, *devices: tuple[int, str, DeviceModel], others: tuple[Device, ...] = ()) -> Fleet:
    return build_fleet(registry(url, *devices, others=others))


@contextlib.asynccontextmanager
async def running(first: Fleet, seed: int = 1) -> AsyncIterator[tuple[ModbusLink, Taker]]:
    """A link that polls, and its taker."""
    taker = Taker()
    link = ModbusLink(taker.wake, utc_us, utc_us, steady_us, Random(seed), down_after_s=0.5)
    taker.link = link
    link.replace(first)
    await link.start()
    try:
        yield link, taker
    finally:
        await link.close()


def close(link: ModbusLink, device_no: int, name: str = "c1", lives_s: float = 5.0) -> Sending:
    command = Command(id=name, verb=Verb.CLOSE, epoch=1, issued="", expires="", reason="test")
    return link.send(device_no, command, utc_us() + round(lives_s * 1_000_000))
