"""Golden examples of models that speak the native protocol, run: payloads as sent, against what their file says."""

from collections.abc import Iterator

import numpy as np

from devices.codecs.native import decode
from devices.example_refusals import refusal_differences
from devices.models import DeviceModel, Example
from devices.readings import READING

#: (dotted key, reason).
Fault = tuple[str, str]


def run_native_examples(model: DeviceModel) -> list[Fault]:
    """Every native example that does not mean what it says."""
    return [(f"example[{at}]", reason) for at, example in enumerate(model.example) for reason in _differences(example)]


def _differences(example: Example) -> Iterator[str]:
    decoded = decode([example.payload.encode()], {})
    refusal = refusal_differences(decoded, example.refused)
    if refusal is not None:
        yield from refusal
        return
    if len(decoded.rows) != 1:
        yield f"is {len(decoded.rows)} readings; an example is one"
        return
    row = decoded.rows[0]
    for name, said in example.expect.items():
        if name not in (READING.names or ()) or isinstance(said, str):
            yield f"expect.{name}: must be a column of a reading and its number"
        elif row[name] != (np.float32(said) if isinstance(said, float) else said):
            yield f"{name} is {row[name]}, expected {said}"
