from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulators.outbox import BACKFILL_AT_ONCE, Outbox
from simulators.telemetry import Measured, Reading, encode, reading

FRESH_MS = 5_000


def made(seq: int, ts: int, alarm: bool = False, boot: int = 1) -> Reading:
    return reading(Measured(combustible_lel=1.0, low_alarm=alarm), ts, boot, seq)


def test_what_is_not_acknowledged_is_sent_again_with_the_same_identity_and_values() -> None:
    outbox = Outbox(FRESH_MS)
    outbox.add(made(1, ts=1000))
    first = outbox.next_message(1000)
    assert outbox.next_message(1200) == first
    outbox.acknowledged(first)
    assert outbox.next_message(1200) == ()


def test_after_an_outage_the_newest_goes_first_and_live_and_the_rest_follows_as_backfill() -> None:
    outbox = Outbox(FRESH_MS)
    for i in range(120):
        outbox.add(made(i, ts=i * 10_000))
    now_ms = 119 * 10_000 + 100
    newest = outbox.next_message(now_ms)
    assert [(r.seq, r.backfill) for r in newest] == [(119, False)]
    outbox.acknowledged(newest)
    old = outbox.next_message(now_ms)
    assert [r.seq for r in old] == list(range(BACKFILL_AT_ONCE))
    assert all(r.backfill for r in old)


def test_a_full_memory_forgets_the_oldest_without_an_alarm_and_counts_it() -> None:
    outbox = Outbox(FRESH_MS, kept=3)
    outbox.add(made(1, 1, alarm=True))
    for seq in range(2, 6):
        outbox.add(made(seq, seq))
    kept = outbox.next_message(1_000_000)
    assert [r.seq for r in kept] == [1, 4, 5]
    assert outbox.forgotten == 2


def test_a_memory_full_of_alarms_forgets_the_oldest() -> None:
    outbox = Outbox(FRESH_MS, kept=2)
    for seq in range(3):
        outbox.add(made(seq, seq, alarm=True))
    assert [r.seq for r in outbox.next_message(10**6)] == [1, 2]


def test_disorder_shuffles_backfill_and_loses_nothing() -> None:
    outbox = Outbox(FRESH_MS)
    for seq in range(40):
        outbox.add(made(seq, seq))
    seqs = [r.seq for r in outbox.next_message(10**6, Random(1))]
    assert seqs != sorted(seqs)
    assert sorted(seqs) == list(range(40))


@given(st.lists(st.tuples(st.sampled_from(["add", "send", "lose"]), st.integers(0, 20_000)), max_size=200), st.data())
def test_every_reading_is_acknowledged_kept_or_counted_as_forgotten(
    acts: list[tuple[str, int]], data: st.DataObject
) -> None:
    outbox, now_ms, seq, acknowledged = Outbox(FRESH_MS, kept=20), 0, 0, 0
    for act, later_ms in acts:
        now_ms += later_ms
        if act == "add":
            seq += 1
            outbox.add(made(seq, now_ms, data.draw(st.booleans())))
        elif act == "send" and (message := outbox.next_message(now_ms)):
            encode(message)
            acknowledged += outbox.acknowledged(message)
        elif act == "lose":
            outbox.lose()
    assert seq == acknowledged + len(outbox) + outbox.forgotten
    assert len(outbox) <= 20
