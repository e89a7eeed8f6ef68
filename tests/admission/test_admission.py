"""What admission says in the cases that happen."""

import json

import numpy as np
import pytest

from devices.codecs.decoded import Refused
from devices.codecs.native_json import decode_json
from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.readings import NO_TIME
from devices.sites import Registry
from ingest.admission import FUTURE_US, ROWS_PER_CYCLE, Admission, Admitted
from tests.admission.reference import DEVICES, FLEET

NOW = 1_764_633_600_000_000
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
NO = 10  # a device on a real site


class Home:
    """An admission and its clock: each call is one cycle, one second later."""

    def __init__(self) -> None:
        self.admission, self.now, self.cycle = Admission(FLEET), NOW, 0

    def say(self, *said: dict[str, object], no: int = NO) -> Admitted:
        self.now += SECOND_US
        self.cycle += 1
        payloads = [json.dumps(one).encode() for one in said]
        device_no = np.full(len(payloads), no, np.int32)
        return self.admission.admit(decode_json(payloads), device_no, FLEET, self.now, self.cycle)

    def flags(self, **said: object) -> Flag:
        """Flags of one reading that is admitted."""
        return Flag(int(self.say(said).batch.rows["flags"][0]))

    def ago(self, seconds: float) -> int:
        """Milliseconds, so long before the next cycle."""
        return (self.now + SECOND_US - round(seconds * SECOND_US)) // 1_000


@pytest.fixture
def home() -> Home:
    return Home()


def test_a_reading_comes_out_complete(home: Home) -> None:
    admitted = home.say({"ts": home.ago(2), "boot": 1, "seq": 1, "co_ppm": 3, "fw": "1"})
    row = admitted.batch.rows[0]
    assert row["device_no"] == NO
    assert row["ts"] == row["device_ts"] == home.now - 2 * SECOND_US
    assert row["received"] == home.now
    assert row["flags"] == 0
    assert admitted.batch.slots.tolist() == [0]
    assert admitted.batch.extra == ((0, b'{"fw":"1"}'),)
    assert (admitted.message.tolist(), admitted.duplicate.tolist(), admitted.refused) == ([0], [], ())


def test_a_message_told_twice_is_stored_once(home: Home) -> None:
    said: dict[str, object] = {"boot": 1, "seq": 7, "co_ppm": 3}
    both = home.say(said, said)
    assert (both.message.tolist(), both.duplicate.tolist()) == ([0], [1])
    assert home.say(said).duplicate.tolist() == [0]


def test_extra_fields_follow_their_rows_past_duplicates(home: Home) -> None:
    admitted = home.say({"seq": 1, "x": 1}, {"seq": 1, "x": 1}, {"seq": 2}, {"seq": 3, "x": 3})
    assert admitted.batch.extra == ((0, b'{"x":1}'), (2, b'{"x":3}'))


def test_an_unknown_device_goes_to_quarantine(home: Home) -> None:
    admitted = home.say({"seq": 1}, {"seq": 2}, no=999)
    assert len(admitted.batch.rows) == 0
    assert admitted.refused == (
        Refused(0, "device 999 is not in the registry"),
        Refused(1, "device 999 is not in the registry"),
    )
    assert home.say({"seq": 1}, no=-5).refused[0].message == 0


def test_a_device_that_left_the_registry_is_refused_and_those_that_stay_keep_their_memory() -> None:
    admission = Admission(FLEET)
    decoded = decode_json([b'{"seq":1}', b'{"seq":1}'])
    both = np.array([10, 11], np.int32)
    assert len(admission.admit(decoded, both, FLEET, NOW, 1).batch.rows) == 2
    stayed = tuple(device for device in FLEET.registry.devices if device.device_no != 10)
    smaller = build_fleet(Registry(FLEET.registry.models, FLEET.registry.sites, stayed), FLEET)
    admission.resize(smaller)
    later = admission.admit(decode_json([b'{"seq":2}', b'{"seq":1}']), both, smaller, NOW, 2)
    assert [one.message for one in later.refused] == [0]
    assert later.duplicate.tolist() == [1]


def test_a_new_device_finds_room_after_a_registry_change() -> None:
    registry = FLEET.registry
    fewer = build_fleet(Registry(registry.models, registry.sites, registry.devices[:2]))
    admission = Admission(fewer)
    admission.admit(decode_json([b'{"seq":1}']), np.array([10], np.int32), fewer, NOW, 1)
    larger = build_fleet(registry, fewer)
    admission.resize(larger)
    admitted = admission.admit(decode_json([b'{"seq":1}'] * 2), np.array([10, 15], np.int32), larger, NOW, 2)
    assert (admitted.duplicate.tolist(), admitted.message.tolist()) == ([0], [1])


def test_an_empty_fleet_admits_nobody() -> None:
    empty = build_fleet(Registry())
    admitted = Admission(empty).admit(decode_json([b'{"seq":1}']), np.array([1], np.int32), empty, NOW, 1)
    assert [one.message for one in admitted.refused] == [0]


def test_a_simulated_site_marks_every_reading(home: Home) -> None:
    assert home.say({"seq": 1}, no=9 + DEVICES).batch.rows["flags"][0] == Flag.SIMULATED


def test_what_the_codec_refused_stays_refused(home: Home) -> None:
    home.now += SECOND_US
    admitted = home.admission.admit(decode_json([b"x", b'{"seq":1}']), np.array([NO, NO], np.int32), FLEET, home.now, 1)
    assert [one.message for one in admitted.refused] == [0]
    assert admitted.message.tolist() == [1]


# ---- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset_us", [8 * HOUR_US, FUTURE_US + SECOND_US, -8 * 24 * HOUR_US, -NOW, 2**60])
def test_a_wrong_clock_never_stops_a_newest_reading_from_acting(home: Home, offset_us: int) -> None:
    home.flags(seq=1, ts=home.ago(0))
    for seq in (2, 3):
        admitted = home.say({"seq": seq, "ts": home.ago(0) + offset_us // 1_000})
        assert admitted.batch.rows["flags"][0] == Flag.SUSPECT_CLOCK
        assert admitted.batch.rows["ts"][0] == home.now
        assert admitted.batch.rows["device_ts"][0] == home.now + offset_us // 1_000 * 1_000


def test_a_clock_eight_hours_behind_is_believed_and_acts(home: Home) -> None:
    home.flags(seq=1, ts=home.ago(0))
    assert home.flags(seq=2, ts=home.ago(8 * 3_600)) == 0


def test_a_clock_five_minutes_ahead_is_believed(home: Home) -> None:
    assert home.flags(seq=1, ts=home.ago(-300)) == 0
    assert home.flags(seq=2, ts=home.ago(-300.001)) == Flag.SUSPECT_CLOCK


def test_no_time_at_all_is_the_time_of_arrival_and_no_suspicion(home: Home) -> None:
    row = home.say({"seq": 1}).batch.rows[0]
    assert (row["ts"], row["device_ts"], row["flags"]) == (home.now, NO_TIME, 0)


# ---- late ----------------------------------------------------------------------------------------------------------


def test_backfill_is_late_even_when_it_is_newest(home: Home) -> None:
    assert home.flags(seq=1, ts=home.ago(0), backfill=True) == Flag.BACKFILL | Flag.LATE
    assert home.flags(co_ppm=1, backfill=True) == Flag.NO_IDENTITY | Flag.BACKFILL | Flag.LATE


def test_a_reading_out_of_order_is_late_and_stored_once(home: Home) -> None:
    home.flags(boot=1, seq=5, ts=home.ago(0))
    assert home.flags(boot=1, seq=4, ts=home.ago(5)) == Flag.LATE
    assert home.say({"boot": 1, "seq": 4, "ts": home.ago(6)}).duplicate.tolist() == [0]


def test_a_reading_far_below_the_window_is_late_and_left_to_the_database_key(home: Home) -> None:
    home.flags(seq=2_000, ts=home.ago(0))
    for _ in range(2):
        assert home.flags(seq=976, ts=home.ago(99)) == Flag.LATE
    assert home.flags(seq=977, ts=home.ago(99)) == Flag.LATE
    assert home.say({"seq": 977}).duplicate.tolist() == [0]


@pytest.mark.parametrize("ts", [{}, {"ts": 0}], ids=["no clock", "a wrong clock"])
def test_what_a_device_may_have_in_flight_is_stored_once_without_a_clock_too(home: Home, ts: dict[str, object]) -> None:
    # 512 messages in flight, their acknowledgements lost, and as many new ones that overtake them.
    offered: list[dict[str, object]] = [{"boot": 1, "seq": seq, **ts} for seq in range(1_024)]
    for begin in range(0, 1_024, 100):
        assert home.say(*offered[begin : begin + 100]).duplicate.tolist() == []
    assert home.say(*reversed(offered)).duplicate.tolist() == list(range(1_024))


def test_a_gap_in_the_numbers_is_remembered_as_one_however_the_window_has_moved(home: Home) -> None:
    said: list[dict[str, object]] = [{"boot": 1, "seq": seq} for seq in range(1_502)]
    home.say(*said[:900])
    home.say(said[1_500])
    assert home.say(*said[890:]).duplicate.tolist() == [*range(10), 610]
    assert home.say(*said[890:]).duplicate.tolist() == list(range(612))


def test_a_device_that_sends_numbers_has_no_ring(home: Home) -> None:
    home.say({"seq": 1}, {"co_ppm": 1})
    home.say({"ts": home.ago(0), "co_ppm": 1}, no=NO + 2)
    home.say({"ts": home.ago(0), "co_ppm": 1}, no=NO + 1)
    snapshot = home.admission.snapshot()
    assert (snapshot["ring_slot"].tolist(), snapshot["ring"].shape) == ([1, 2], (2, 64))


def test_a_new_boot_is_newest_and_the_boot_before_is_late(home: Home) -> None:
    home.flags(boot=1, seq=900)
    assert home.flags(boot=2, seq=0) == 0
    assert home.flags(boot=1, seq=901) == Flag.LATE


def test_a_sequence_that_goes_back_under_a_good_clock_is_newest_and_starts_anew(home: Home) -> None:
    home.flags(boot=9, seq=5_000, ts=home.ago(0))
    assert home.flags(boot=0, seq=1, ts=home.ago(0)) == 0
    # From here on the wiped counter is the device's counter: duplicates are known again, and no clock is needed.
    assert home.say({"boot": 0, "seq": 1, "ts": home.ago(1)}).duplicate.tolist() == [0]
    assert home.flags(boot=0, seq=2) == 0


def test_wiped_counters_without_a_believed_clock_are_late_until_one_comes(home: Home) -> None:
    home.flags(boot=9, seq=5_000, ts=home.ago(0))
    assert home.flags(boot=0, seq=1, ts=0) == Flag.SUSPECT_CLOCK | Flag.LATE
    assert home.flags(boot=0, seq=2, ts=home.ago(0)) == 0
    assert home.flags(boot=0, seq=3, ts=0) == Flag.SUSPECT_CLOCK


def test_a_captured_message_sent_again_never_acts(home: Home) -> None:
    captured: dict[str, object] = {"boot": 1, "seq": 100, "ts": home.ago(0), "high_alarm": True}
    home.say(captured)
    assert home.say(captured).duplicate.tolist() == [0]
    for seq in range(101, 1_300, 7):
        home.say({"boot": 1, "seq": seq, "ts": home.ago(0)})
    again = home.say(captured)
    assert Flag(int(again.batch.rows["flags"][0])) == Flag.HIGH_ALARM | Flag.LATE
    home.now += 8 * 24 * HOUR_US  # past the age at which its time is believed
    much_later = home.say(captured)
    assert Flag(int(much_later.batch.rows["flags"][0])) == Flag.HIGH_ALARM | Flag.LATE | Flag.SUSPECT_CLOCK


# ---- devices without numbers ----------------------------------------------------------------------------------------


def unnumbered(home: Home, count: int) -> list[dict[str, object]]:
    return [{"ts": home.ago(20) + at, "co_ppm": at} for at in range(count)]


def test_the_last_64_unnumbered_readings_are_known_again(home: Home) -> None:
    said = unnumbered(home, 65)
    first = home.say(*said)
    assert (first.batch.rows["flags"] == Flag.HASHED).all()
    assert home.say(*said[1:]).duplicate.tolist() == list(range(64))


def test_more_than_64_unnumbered_readings_told_again_are_late_and_left_to_the_database_key(home: Home) -> None:
    said = unnumbered(home, 65)
    home.say(*said)
    assert (home.say(*said).batch.rows["flags"] == Flag.HASHED | Flag.LATE).all()


def test_the_65th_unnumbered_reading_pushes_the_first_out_within_one_batch_too(home: Home) -> None:
    said = unnumbered(home, 65)
    assert home.say(*said, said[0], no=NO).duplicate.tolist() == []
    assert home.say(*said[:64], said[0], no=NO + 1).duplicate.tolist() == [64]


def test_a_duplicate_does_not_keep_itself_known(home: Home) -> None:
    said = unnumbered(home, 67)
    home.say(said[0])
    # Told again after 61 others it is known; after 65 others it is not, the telling in between notwithstanding.
    assert home.say(*said[1:62], said[0], *said[62:66], said[0]).duplicate.tolist() == [61]


def test_an_unnumbered_reading_older_than_the_last_is_late(home: Home) -> None:
    home.flags(ts=home.ago(5), co_ppm=1)
    assert home.flags(ts=home.ago(10), co_ppm=1) == Flag.HASHED | Flag.LATE
    assert home.flags(ts=home.ago(1), co_ppm=1) == Flag.HASHED


def test_unnumbered_readings_with_a_wrong_clock_act(home: Home) -> None:
    home.flags(ts=home.ago(0), co_ppm=1)
    both = home.say({"ts": 1, "co_ppm": 1}, {"ts": 2, "co_ppm": 1})
    assert (both.batch.rows["flags"] == Flag.HASHED | Flag.SUSPECT_CLOCK).all()


def test_readings_without_any_identity_are_newest_and_numbered_for_ever(home: Home) -> None:
    same: dict[str, object] = {"co_ppm": 1}
    both = home.say(same, same).batch.rows
    later = home.say(same).batch.rows
    assert (both["flags"] == Flag.NO_IDENTITY).all()
    assert [*both["seq"].tolist(), *later["seq"].tolist()] == [ROWS_PER_CYCLE, ROWS_PER_CYCLE + 1, 2 * ROWS_PER_CYCLE]


# ---- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_of_another_shape_is_refused(home: Home) -> None:
    home.say({"ts": home.ago(0), "co_ppm": 1})
    snapshot = home.admission.snapshot()
    for name in snapshot:
        with pytest.raises(ValueError, match="identity window"):
            Admission(FLEET).restore({key: array for key, array in snapshot.items() if key != name})
        with pytest.raises(ValueError, match="identity window"):
            Admission(FLEET).restore(snapshot | {name: snapshot[name][:-1]})
    with pytest.raises(ValueError, match="identity window"):
        Admission(FLEET).restore(snapshot | {"ring_slot": np.array([DEVICES])})


def test_a_snapshot_is_a_copy(home: Home) -> None:
    before = home.admission.snapshot()
    home.say({"seq": 5})
    assert before["seq"][0] == -1
