"""The packed layout of the journal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.quantities import NOTHING_MEASURED, QUANTITY_NAMES
from devices.readings import NO_SEQ, NO_TIME, READING, Rows, blank, pack, unpack


@st.composite
def rows_of_any_bits(draw: st.DrawFn) -> Rows:
    """Rows of arbitrary bit patterns (NaNs with payloads included), some columns constant."""
    n = draw(st.integers(0, 8))
    rows = np.frombuffer(draw(st.binary(min_size=n * READING.itemsize, max_size=n * READING.itemsize)), READING).copy()
    for name in draw(st.sets(st.sampled_from(READING.names or ()))):
        rows[name] = rows[name][:1] if n else rows[name]
    return rows


@settings(max_examples=300, deadline=None)
@given(rows_of_any_bits())
def test_what_was_packed_is_unpacked_bit_for_bit(rows: Rows) -> None:
    assert unpack(pack(rows)).tobytes() == rows.tobytes()


@settings(max_examples=300, deadline=None)
@given(rows_of_any_bits(), st.data())
def test_a_packed_batch_that_was_cut_or_lengthened_is_refused(rows: Rows, data: st.DataObject) -> None:
    packed = pack(rows)
    with pytest.raises(ValueError, match="packed"):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))])
    with pytest.raises(ValueError, match="packed"):
        unpack(packed + b"\x00")


def test_a_broken_column_is_named() -> None:
    packed = bytearray(pack(blank(2)))
    packed[4] = 7
    with pytest.raises(ValueError, match="'device_no', byte 5"):
        unpack(bytes(packed))


def test_a_constant_column_costs_its_one_value() -> None:
    assert len(pack(blank(1_000))) == 4 + len(READING.names or ()) + READING.itemsize


def test_blank_rows_measure_nothing() -> None:
    row = blank(3)[1]
    assert all(np.isnan(row[name]) for name in QUANTITY_NAMES)
    assert (row["quality"], row["device_ts"], row["seq"], row["flags"]) == (NOTHING_MEASURED, NO_TIME, NO_SEQ, 0)
