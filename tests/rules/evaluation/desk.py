"""One rule with an expression, and readings of a small fleet put before it: what the tests of evaluation speak in.

Times are seconds after `BEGIN`, which lies on the edge of every bucket of a day. Homes home-1 .. home-4; home-1 and
home-2 share a riser. In each a detector that measures combustible_lel and co_ppm, m<n>, reporting every ten seconds,
and a valve v<n> that measures nothing but says its position. `bare` reports at no promised interval.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet, build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel
from devices.quantities import QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.readings import Rows, blank
from devices.sites import Device, Registry, Site
from rules.decisions import Priority
from rules.documents.document import Override, Rule, RulePack, Title
from rules.evaluation.evaluation import Evaluation, evaluate
from rules.evaluation.kernels import compile_pack
from rules.evaluation.windows import Windows
from rules.language.expression import parse_condition
from rules.language.tree import Comparison, Parsed, Quantitative
from rules.language.units import parse_number

SECOND = 1_000_000
DAY_US = 86_400 * SECOND
BEGIN = 20_605 * DAY_US
WHY = "product choice"
MEASURES = ("combustible_lel", "co_ppm", "temperature_c")
MODELS = (
    DeviceModel("meter", "davysim", "m", DeviceKind.DETECTOR, WHY, 10.0, measures=MEASURES, life_days=10),
    DeviceModel(
        "valve", "davysim", "v", DeviceKind.SHUT_OFF_VALVE, WHY, 30.0, measures=("battery_pct",), actuator=Actuator()
    ),
    DeviceModel("bare", "davysim", "b", DeviceKind.DETECTOR, WHY, 0.0),
)
HOMES = 4


def registry(homes: int = HOMES, *, tagged: tuple[str, ...] = ()) -> Registry:
    devices = []
    for home in range(1, homes + 1):
        name, tags = f"m{home}", ("old",) if f"m{home}" in tagged else ()
        devices.append(Device(2 * home, "davysim", name, "meter", f"home-{home}", tags=tags, installed="2026-06-01"))
        devices.append(Device(2 * home + 1, "davysim", f"v{home}", "valve", f"home-{home}"))
    devices.append(Device(1, "davysim", "bare", "bare", "home-1"))
    sites = tuple(
        Site(f"home-{home}", area="110101", building="b", riser="r1" if home < 3 else "r2")
        for home in range(1, homes + 1)
    )
    return Registry(models=MODELS, sites=sites, devices=tuple(devices), links=())


FLEET = build_fleet(registry())


def reading(name: str, t: float, **said: Any) -> Rows:
    """One reading at `t`: quantities by name, `flags`, `valve`, `quality={name: Quality}` for what is not GOOD."""
    row = blank(1)
    row["device_no"] = FLEET.device_no[FLEET.slot_by_identity[f"davysim/{name}"]]
    row["received"] = row["ts"] = BEGIN + round(t * SECOND)
    for word in ("flags", "valve", "valve_cause"):
        row[word] = int(said.pop(word, 0))
    qualities: Mapping[str, Quality] = said.pop("quality", {})
    word = int(row["quality"][0])
    for quantity in QUANTITY_NAMES:
        if quantity in said:
            row[quantity] = said.pop(quantity)
            quality = qualities.get(quantity, Quality.GOOD)
            word = word & ~(15 << quality_shift(quantity)) | int(quality) << quality_shift(quantity)
    assert not said
    row["quality"] = word
    return row


def rule(condition: str, *, numbers: dict[str, str] | None = None, clear: str = "", **keys: Any) -> tuple[Rule, Parsed]:
    own = numbers or {}
    dimensions = {name: parse_number(text)[1] for name, text in own.items()}
    made = Rule(
        id=keys.pop("id", "rule-0"), title=Title("规", "r"), priority=Priority.HIGH, source=WHY,
        condition=condition, clear_condition=clear, numbers=own, **keys,
    )  # fmt: skip
    return made, Parsed(parse_condition(condition, dimensions), parse_condition(clear, dimensions) if clear else None)


def pack(*rules: tuple[Rule, Parsed], overrides: tuple[Override, ...] = ()) -> RulePack:
    return RulePack("test", "1", tuple(one for one, _ in rules), overrides, tuple(parsed for _, parsed in rules))


class Desk:
    """One pack and what it remembers."""

    def __init__(self, rules: RulePack, fleet: Fleet = FLEET) -> None:
        self.fleet = fleet
        self.compiled = compile_pack(rules, fleet)
        self.windows = Windows(self.compiled)

    @classmethod
    def of(cls, condition: str, **keys: Any) -> "Desk":
        return cls(pack(rule(condition, **keys)))

    def hear(self, *rows: Rows) -> Evaluation:
        """These readings in one batch."""
        together = np.concatenate(rows)
        return evaluate(self.compiled, self.windows, together, self.fleet.slots(together["device_no"]))

    def says(self, *rows: Rows, watched: NDArray[np.bool_] | None = None) -> list[int]:
        """What the rule says of each of these readings, heard in one batch: 1 true, 0 false, -1 unknown."""
        found = self.hear(*rows).whole(np.arange(len(rows)), watched)
        said: list[int] = found.raised[:, 0].tolist()
        return said

    def number(self, *rows: Rows) -> list[tuple[float, int]]:
        """The left side of the rule's comparison at each of these readings: value and certainty."""
        values, certainty = self.hear(*rows).values(0, self.left)
        return list(zip(values.tolist(), certainty.tolist(), strict=True))

    @property
    def left(self) -> Quantitative:
        condition = self.compiled.pack.parsed[0].condition
        assert isinstance(condition, Comparison)
        return condition.left

    def series(self, times: list[float], quantity: str, values: list[float]) -> list[tuple[float, int]]:
        """The same of one device, one quantity, a batch for each reading; NaN: a reading that does not know it."""
        return [self.number(reading("m1", t, **{quantity: value}))[0] for t, value in zip(times, values, strict=True)]


def flagged(row: Rows, flag: Flag) -> Rows:
    row["flags"] |= int(flag)
    return row
