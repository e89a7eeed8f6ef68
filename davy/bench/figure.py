"""A figure: what was measured, run by run, beside its ceiling of the same run and the floor that was promised."""

from collections.abc import Sequence
from statistics import median

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One run. `cpu_us`: CPU microseconds per reading by process name (empty where that says nothing)."""

    value: float
    ceiling: float | None = None
    cpu_us: dict[str, float] = {}
    notes: dict[str, float] = {}


class Figure(msgspec.Struct, frozen=True):
    """`at_least` or `at_most` is the promise. `ceiling_of` names what the ratio is to."""

    name: str
    unit: str
    runs: tuple[Run, ...]
    at_least: float | None = None
    at_most: float | None = None
    ceiling_of: str = ""

    @property
    def value(self) -> float:
        return median(run.value for run in self.runs)

    @property
    def ratio(self) -> float | None:
        """Median of value / ceiling, run by run."""
        ratios = [run.value / run.ceiling for run in self.runs if run.ceiling]
        return median(ratios) if ratios else None

    @property
    def met(self) -> bool:
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    @property
    def promise(self) -> str:
        if self.at_least is not None:
            return f">= {number(self.at_least)}"
        return f"<= {number(self.at_most)}" if self.at_most is not None else ""

    @property
    def cpu_us(self) -> dict[str, float]:
        """Median by process."""
        return _medians([run.cpu_us for run in self.runs])

    @property
    def notes(self) -> dict[str, float]:
        return _medians([run.notes for run in self.runs])


class Report(msgspec.Struct, frozen=True):
    """A figure as it is printed with --json."""

    name: str
    unit: str
    median: float
    promise: str
    met: bool
    ratio: float | None
    ceiling_of: str
    cpu_us_per_reading: dict[str, float]
    notes: dict[str, float]
    runs: tuple[Run, ...]


def report(figure: Figure) -> Report:
    return Report(
        name=figure.name,
        unit=figure.unit,
        median=figure.value,
        promise=figure.promise,
        met=figure.met,
        ratio=figure.ratio,
        ceiling_of=figure.ceiling_of,
        cpu_us_per_reading=figure.cpu_us,
        notes=figure.notes,
        runs=figure.runs,
    )


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    names = {name for run in runs for name in run}
    return {name: median(run[name] for run in runs if name in run) for name in sorted(names)}
