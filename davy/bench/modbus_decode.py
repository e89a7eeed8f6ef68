"""A figure of the register decoder alone: frames of 10,000 units with ten registers each."""

import time

import numpy as np
from numpy.typing import NDArray

from davy.bench.figure import Figure, Run
from devices.codecs.frame import HEADER, FrameState, encode_frame
from devices.codecs.registers import FrameDecoder, compile_map, decode_frames
from devices.models import load_catalogue
from devices.register_examples import example_payload

UNITS = 10_000
MOST_MS = 5.0
REPEATS = 50
PROMISED = "what is promised (at most 1)"
#: Ten holding registers: two gases, temperature, humidity, status bits, state, fault number, age, heartbeat, type code.
MODEL = "sim_modbus_detector"
_STATUS, _STATE, _GAS, _CO, _FAULT, _BEAT = 1, 2, 3, 4, 7, 9


def decode_figure(runs: int) -> Figure:
    """Milliseconds for one poll of all units. Noted: the slowest of a hundred, and the same number of frames of all the
    catalogue's models mixed."""
    models = [model for model in load_catalogue() if model.modbus is not None]
    alone = [compile_map(next(model for model in models if model.key == MODEL))]
    decoders = [compile_map(model) for model in models]
    many: list[Run] = []
    for run in range(runs):
        rng = np.random.default_rng(run)
        took = _times(_detectors(rng), np.zeros(UNITS, np.int32), alone)
        mixed = _times(*_of_all_models(rng, decoders), decoders)
        middle_ms = took[len(took) // 2]
        notes = {"p99 ms": took[int(len(took) * 0.99)], "all models mixed ms": mixed[len(mixed) // 2]}
        cpu_us = {"decoder": middle_ms * 1e3 / UNITS}
        many.append(Run(middle_ms, ceiling=MOST_MS, cpu_us=cpu_us, notes=notes))
    return Figure("decoding the registers of 10,000 units", "ms", tuple(many), at_most=MOST_MS, ceiling_of=PROMISED)


def _times(payloads: list[bytes], decoder_no: NDArray[np.int32], decoders: list[FrameDecoder]) -> list[float]:
    """Milliseconds, ascending."""
    took: list[float] = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        decoded = decode_frames(payloads, decoder_no, decoders)
        took.append((time.perf_counter() - began) * 1e3)
        assert len(decoded.rows) + len(decoded.refused) == len(payloads)
    return sorted(took)


def _detectors(rng: np.random.Generator) -> list[bytes]:
    """1 in 100 alarms, 1 in 100 warms up, 1 in 100 has a fault with a number."""
    words = np.tile(np.array([0xDA01, 0, 1, 5, 3, 214, 450, 0, 1, 0], np.uint16), (UNITS, 1))
    words[:, _GAS] = rng.integers(0, 50, UNITS)
    words[:, _CO] = rng.integers(0, 10, UNITS)
    words[:, _BEAT] = rng.integers(0, 2**16, UNITS)
    fate = rng.integers(0, 100, UNITS)
    words[fate == 0, _STATUS] = 3
    words[fate == 0, _GAS] = 600
    words[fate == 1, _STATE] = 2
    words[fate == 2, _STATUS] = 8
    words[fate == 2, _FAULT] = rng.integers(1, 20, int((fate == 2).sum()))
    rows = words.astype(">u2")
    return [encode_frame(FrameState.FRESH, at + 1, row.tobytes()) for at, row in enumerate(rows)]


def _of_all_models(rng: np.random.Generator, decoders: list[FrameDecoder]) -> tuple[list[bytes], NDArray[np.int32]]:
    """Frames of the models' own golden examples, bad ones too, with fresh numbers."""
    bodies = [
        [example_payload(decoder.chart, example)[HEADER.size :] for example in decoder.chart.example]
        for decoder in decoders
    ]
    decoder_no = rng.integers(0, len(decoders), UNITS).astype(np.int32)
    pick = rng.integers(0, 1 << 20, UNITS)
    payloads = [
        encode_frame(FrameState.FRESH, at + 1, bodies[no][pick[at] % len(bodies[no])])
        for at, no in enumerate(decoder_no.tolist())
    ]
    return payloads, decoder_no
