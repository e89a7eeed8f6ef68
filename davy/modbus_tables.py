"""What `davy modbus` prints: registers and their meaning side by side, and who was found on a bus."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from davy.output import console, shown, write_table
from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import compile_map, decode_frames
from devices.codecs.telemetry import FLAG_NAMES
from devices.models import DeviceModel
from devices.quantities import QUANTITIES, Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import Rows
from devices.register_map import Field, RegisterMap
from devices.register_numbers import RawNumbers, raw_fields
from devices.registers import Plan, layout, wire_address

if TYPE_CHECKING:
    from ingest.modbus_probe import Found


class FieldRead(msgspec.Struct, frozen=True):
    """One field: where it stands on the wire, its words in hex, its raw number or text, and what it means."""

    field: str
    space: str
    address: int
    words: str
    raw: float | str | None
    means: str


class UnitRead(msgspec.Struct, frozen=True):
    """One measuring point, raw and decoded. refused: why the answer cannot be this model's; empty: it may be."""

    unit: int
    channel: int
    model: str
    fields: tuple[FieldRead, ...]
    meaning: dict[str, str]
    refused: str


def decoded_read(
    model: DeviceModel, unit: int, channel: int, base: int, plan: Plan, words: Sequence[NDArray[np.uint16]]
) -> UnitRead:
    """`words`: of each read of the plan."""
    chart = model.modbus
    assert chart is not None
    body = plan.frame(np.concatenate(list(words)), channel)
    decoded = decode_frames([encode_frame(FrameState.FRESH, 1, body)], np.zeros(1, np.int32), [compile_map(model)])
    numbers = RawNumbers(raw_fields(chart), np.frombuffer(body, ">u2").astype(np.uint16)[:, None])
    place = layout(chart).place
    frame = np.frombuffer(body, ">u2")
    fields = []
    for field in chart.field:
        space, at = wire_address(chart, field.at, field.space, base + field.stride * (channel - 1))
        fields.append(
            FieldRead(
                field=field.name,
                space=str(space),
                address=at,
                words=" ".join(f"{int(frame[word]):04x}" for word in place[field.name]),
                raw=_raw(field, numbers),
                means=_means(field, decoded.rows),
            )
        )
    extra: dict[str, object] = msgspec.json.decode(decoded.extra[0][1]) if decoded.extra else {}
    meaning = dict(_meaning(chart, decoded.rows)) | {name: str(value) for name, value in extra.items()}
    reason = decoded.refused[0].reason if decoded.refused else ""
    return UnitRead(unit, channel, model.key, tuple(fields), meaning, reason)


def _raw(field: Field, numbers: RawNumbers) -> float | str | None:
    if field.type == "ascii":
        return shown(numbers.text(field.name).tobytes().decode("latin-1").rstrip("\0 "))
    number = float(numbers.number(field.name)[0])
    return number if np.isfinite(number) else None


def _means(field: Field, rows: Rows) -> str:
    """The value with its unit, and why it may not be believed."""
    if not field.quantity or not len(rows):
        return ""
    value, quality = float(rows[field.quantity][0]), _quality(rows, field.quantity)
    unit = next(one.unit for one in QUANTITIES if one.name == field.quantity)
    number = f"{value:g} {unit}" if np.isfinite(value) else "no value"
    return f"{field.quantity} {number}" + ("" if quality is Quality.GOOD else f" ({_word(quality.name)})")


def _quality(rows: Rows, quantity: str) -> Quality:
    return Quality(int(rows["quality"][0]) >> quality_shift(quantity) & 0xF)


def _meaning(chart: RegisterMap, rows: Rows) -> Iterator[tuple[str, str]]:
    """Quantities with quality, flags, and the valve, in words."""
    if not len(rows):
        return
    for field in chart.field:
        if field.quantity:
            yield field.quantity, _means(field, rows).removeprefix(f"{field.quantity} ")
    flags = int(rows["flags"][0])
    said = [name for name in FLAG_NAMES if flags & Flag[name.upper()]]
    yield "flags", ", ".join(said) or "none"
    if chart.valve:
        yield "valve", _word(ValvePosition(int(rows["valve"][0])).name)
        cause = ValveCause(int(rows["valve_cause"][0]))
        if cause:
            yield "valve_cause", _word(cause.name)


def _word(name: str) -> str:
    return name.lower().replace("_", " ")


def print_read(found: UnitRead) -> None:
    rows = [
        (f"{one.space} {one.address}", one.words, one.field, "" if one.raw is None else _number(one.raw), one.means)
        for one in found.fields
    ]
    write_table(("wire address", "words", "field", "raw", "means"), rows)
    for name, said in found.meaning.items():
        console().print(shown(f"{name}: {said}"), markup=False)
    if found.refused:
        console().print(shown(f"this is no answer of {found.model}: {found.refused}"), markup=False)


def _number(raw: float | str) -> str:
    return raw if isinstance(raw, str) else f"{raw:g}"


def print_scan(found: "Sequence[Found]", asked: int) -> None:
    rows = []
    for one in found:
        if one.says_nothing:
            said = "answers zeros: nothing to tell"
        elif one.fits:
            said = ", ".join(f"{fit.model} ({_checks(fit.checks)})" for fit in one.fits if not fit.zeros)
        else:
            said = "no model of the catalogue fits"
        rows.append((str(one.unit), f"{one.reads - one.refused} of {one.reads}", said))
    if rows:
        write_table(("unit", "reads answered", "fits"), rows)
    console().print(f"{len(found)} of {asked} units answer", markup=False)


def _checks(many: int) -> str:
    return "no check to hold" if many == 0 else "1 check held" if many == 1 else f"{many} checks held"


class Counted:
    """Goes through numbers with a bar on standard error, on a terminal only."""

    def __init__(self, what: str, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        screen = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
        self._task = self._progress.add_task(what, total=len(numbers))

    def __enter__(self) -> "Counted":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __iter__(self) -> Iterator[int]:
        for number in self._numbers:
            yield number
            self._progress.advance(self._task)

    def say(self, line: str) -> None:
        """A line above the bar."""
        if not self._progress.disable:
            self._progress.console.print(line, markup=False)
