"""Looking at a bus by hand: read what one model's map declares, or find out who answers and as what. Reads only.

Fitting is a judgement of what was read: every read of a model's map answered, and the decoder did not refuse the
frame, so every check of the map held. Many checks that held say much, none says little, zeros say nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from devices.addresses import BusAddress, Framing
from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import compile_map, decode_frames
from devices.models import DeviceModel
from devices.register_map import RegisterMap, Space
from devices.registers import Plan, Read, plan_reads
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_errors import BusError, LinkAway, NoReply, WrongReply
from ingest.modbus_line import Line
from ingest.modbus_stations import BITS_PER_CHARACTER, frame_silence_s

Words = NDArray[np.uint16]
#: A link that was open before is tried again for so long, and so often. Product choices: a gateway that restarts needs
#: some seconds.
REOPENED_WITHIN_S, _AGAIN_AFTER_S = 10.0, 0.2


@dataclass(frozen=True, slots=True)
class Fit:
    """A model that fits what a unit answers. checks: those of its map, all of which held. zeros: nothing but zeros was
    read."""

    model: str
    checks: int
    zeros: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A unit that answers. fits: best first. refused: how many reads it answered with an exception."""

    unit: int
    fits: tuple[Fit, ...]
    reads: int
    refused: int

    @property
    def says_nothing(self) -> bool:
        """It answered, and with zeros only: some gateways do so for registers that nobody has."""
        return bool(self.fits) and all(fit.zeros for fit in self.fits)


class Probe:
    """One link, opened when first asked. steady: microseconds of a clock that only passes. was_open: whether it could
    ever be opened."""

    def __init__(self, address: BusAddress, steady: Callable[[], int], random: Random, within_s: float) -> None:
        """`within_s`: how long a reply may take, without the time on the line."""
        clocks = Clocks(steady, steady, steady)
        self._steady = steady
        self.was_open = False
        self._bauds = address.baud if address.framing is Framing.RTU else 0
        silence_s = 0.0 if address.framing is Framing.TCP else frame_silence_s(self._bauds or 9600)
        gap_s = max(address.gap_ms / 1000, silence_s)
        self._line = Line(address, gap_s, clocks, random, BusCounts(), lambda _: None, _nothing, _nothing)
        self._line.longest_reply_s = self._within_s = within_s

    async def read(self, unit: int, read: Read, gap_s: float = 0.0) -> Words:
        """Raises BusError."""
        await self._ready(unit, gap_s)
        return await self._read(unit, read)

    async def _ready(self, unit: int, gap_s: float) -> None:
        """Raises LinkAway when the link cannot be opened: at once, or, where it could before, after a while."""
        until_us = self._steady() + round(REOPENED_WITHIN_S * 1_000_000)
        while True:
            try:
                await self._line.prepare(unit, gap_s)
            except LinkAway:
                if not self.was_open or self._steady() >= until_us:
                    raise
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                self.was_open = True
                return

    async def _read(self, unit: int, read: Read) -> Words:
        characters = 8 + 5 + 2 * read.count
        line_s = characters * BITS_PER_CHARACTER / self._bauds if self._bauds else 0.0
        return await self._line.read(unit, read, self._within_s + line_s)

    async def look(self, unit: int, models: Iterable[DeviceModel], base: int = 0) -> Found | None:
        """Who this unit may be; None when nobody answers the first read, which is of holding registers where any model
        has them. `base` is added to every address; a model that does not reach so far fits nobody. Raises LinkAway when
        the link cannot be opened."""
        answers: dict[Read, Words | None] = {}
        fits: list[Fit] = []
        for model, plan in _plans(models, base):
            for read in plan.reads:
                if read not in answers:
                    heard, words = await self._heard(unit, read, _chart(model).gap_ms / 1000)
                    if not (heard or answers):
                        return None
                    answers[read] = words
                if answers[read] is None:
                    break
            fit = judge(model, plan, [answers.get(read) for read in plan.reads])
            if fit is not None:
                fits.append(fit)
        ranked = tuple(sorted(fits, key=lambda fit: (fit.zeros, -fit.checks, fit.model)))
        return Found(unit, ranked, len(answers), sum(words is None for words in answers.values()))

    async def _heard(self, unit: int, read: Read, gap_s: float) -> tuple[bool, Words | None]:
        """Whether somebody answered, and what; None: an exception. A gateway may hang up because nobody has that unit,
        or restart just then: a second try tells. Raises LinkAway when the link cannot be opened."""
        for _ in range(2):
            await self._ready(unit, gap_s)
            try:
                return True, await self._read(unit, read)
            except LinkAway:
                continue
            except (NoReply, WrongReply):
                break
            except BusError:
                return True, None
        return False, None

    def close(self) -> None:
        self._line.close()


def _plans(models: Iterable[DeviceModel], base: int) -> list[tuple[DeviceModel, Plan]]:
    """How the first channel of each model is read; those that begin with holding registers first."""
    found = []
    for model in models:
        with contextlib.suppress(ValueError):
            found.append((model, plan_reads(_chart(model), (1,), base)))
    return sorted(found, key=lambda one: one[1].reads[0].space is not Space.HOLDING)


def judge(model: DeviceModel, plan: Plan, words: list[Words | None]) -> Fit | None:
    """Whether what was read may be of this model. `words`: of each read of its plan for channel 1; None: refused."""
    chart = _chart(model)
    whole = [one for one in words if one is not None]
    if len(whole) < len(words):
        return None
    body = plan.frame(np.concatenate(whole), 1)
    decoded = decode_frames([encode_frame(FrameState.FRESH, 1, body)], np.zeros(1, np.int32), [compile_map(model)])
    if decoded.refused:
        return None
    return Fit(model.key, len(chart.check), not any(one.any() for one in whole))


def _chart(model: DeviceModel) -> RegisterMap:
    assert model.modbus is not None, "only models with a register map are asked for"
    return model.modbus


def _nothing() -> None:
    return
