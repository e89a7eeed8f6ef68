"""Readings as they are shown. The fields of the quantities are made from devices.quantities, so a quantity that is
added there is shown here without another line."""

from typing import Any, Literal

import msgspec
from pydantic import Field, JsonValue, create_model

from api.shapes import Page, Shape, ValveCauseWord, ValveWord, flag_words, word
from api.times import ClaimedUtc, Utc
from devices.quantities import (
    GAS_QUANTITIES,
    QUALITY_BITS,
    QUANTITIES,
    QUANTITY_NAMES,
    Quality,
    ValveCause,
    ValvePosition,
    quality_shift,
)
from storage import readings as stored

_UNITS = {quantity.name: quantity.unit for quantity in QUANTITIES}
_SHIFTS = tuple((name, quality_shift(name)) for name in QUANTITY_NAMES)
_QUALITY_WORDS = {int(quality): word(quality) for quality in Quality}
_NIBBLE = (1 << QUALITY_BITS) - 1


class _ReadingTimes(Shape):
    """A reading. A quantity that is null and has no `quality` was not measured; a value whose quality is not `good`
    is not to be believed."""

    ts: Utc = Field(description="Effective time: the device's, where its clock can be believed, else `received`")
    received: Utc
    device_ts: ClaimedUtc = Field(description="What the device said")
    boot: int
    seq: int
    flags: list[str]
    valve: ValveWord
    valve_cause: ValveCauseWord
    quality: dict[str, str] = Field(description="Quantity -> why it may or may not be believed")
    extra: JsonValue = Field(description="What else the device sent; stored, never judged")


class GasSummary(Shape):
    """`n` readings with a value; the rest is null when there was none."""

    n: int
    lowest: float | None
    highest: float | None
    mean: float | None


class _BucketTimes(Shape):
    """One minute or hour. `bad`: readings with a value that is not to be believed."""

    bucket: Utc = Field(description="Its beginning")
    n: int
    bad: int
    flags: list[str] = Field(description="Every flag that was set in it")
    valve: ValveWord
    valve_cause: ValveCauseWord


def _described(name: str, what: str) -> Any:
    return Field(default=None, description=f"{what}{_UNITS[name]}")


_reading_fields: dict[str, Any] = {name: (float | None, _described(name, "")) for name in QUANTITY_NAMES}
_bucket_fields: dict[str, Any] = dict.fromkeys(GAS_QUANTITIES, (GasSummary, ...)) | {
    f"{name}_mean": (float | None, _described(name, "Mean, ")) for name in stored.MEAN_QUANTITIES
}
Reading: type[_ReadingTimes] = create_model("Reading", __base__=_ReadingTimes, **_reading_fields)
Bucket: type[_BucketTimes] = create_model("Bucket", __base__=_BucketTimes, **_bucket_fields)


class Latest(Shape):
    """`reading` is null for a device that was never heard."""

    device: str
    reading: Reading | None  # type: ignore[valid-type]


class RawPage(Page):
    resolution: Literal["raw"] = "raw"
    device: str
    readings: list[Reading]  # type: ignore[valid-type]


class BucketPage(Page):
    resolution: Literal["1m", "1h"]
    device: str
    readings: list[Bucket]  # type: ignore[valid-type]


def show_reading(reading: stored.Reading) -> _ReadingTimes:
    nibbles = ((name, (reading.quality >> shift) & _NIBBLE) for name, shift in _SHIFTS)
    return Reading(
        ts=reading.ts,
        received=reading.received,
        device_ts=reading.device_ts,
        boot=reading.boot,
        seq=reading.seq,
        flags=flag_words(reading.flags),
        valve=ValvePosition(reading.valve),
        valve_cause=ValveCause(reading.valve_cause),
        quality={
            name: _QUALITY_WORDS.get(nibble, f"unknown_{nibble}")
            for name, nibble in nibbles
            if nibble != Quality.NOT_MEASURED
        },
        extra=None if reading.extra is None else msgspec.json.decode(reading.extra),
        **dict(zip(QUANTITY_NAMES, reading.values, strict=True)),
    )


def show_bucket(bucket: stored.Bucket) -> _BucketTimes:
    gas = {
        name: GasSummary(n=one.n, lowest=one.lowest, highest=one.highest, mean=one.mean)
        for name, one in zip(GAS_QUANTITIES, bucket.gas, strict=True)
    }
    means = zip(stored.MEAN_QUANTITIES, bucket.means, strict=True)
    return Bucket(
        bucket=bucket.bucket,
        n=bucket.n,
        bad=bucket.bad,
        flags=flag_words(bucket.flags),
        valve=ValvePosition(bucket.valve),
        valve_cause=ValveCause(bucket.valve_cause),
        **gas,
        **{f"{name}_mean": mean for name, mean in means},
    )
