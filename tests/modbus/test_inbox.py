"""What waits to be taken: bounded, in order, and never a reading from before a write together with `sent`."""

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ingest.modbus import GATHER_US, ModbusLink
from ingest.modbus_inbox import Inbox


def inbox() -> tuple[Inbox, list[int]]:
    woken: list[int] = []
    return Inbox(lambda: woken.append(1)), woken


def test_the_cycle_is_woken_once_until_its_next_take():
    box, woken = inbox()
    box.frames([(1, b"a")], lambda: None)
    box.frames([(2, b"b")], lambda: None)
    box.failed(3, "c", "why")
    assert len(woken) == 1
    arrivals = box.take(100)
    assert arrivals is not None
    assert (arrivals.device_no, arrivals.payload, arrivals.failed) == ([1, 2], [b"a", b"b"], [("c", "why")])
    assert box.take(100) is None
    box.up(9)
    assert len(woken) == 2


def test_a_poll_is_taken_when_the_last_of_its_frames_is():
    box, woken = inbox()
    taken: list[str] = []
    box.frames([(1, b"a"), (2, b"b"), (3, b"c")], lambda: taken.append("first"))
    assert box.take(2) is not None
    assert taken == []
    assert len(woken) == 2  # the rest wakes again
    assert box.take(2) is not None
    assert taken == ["first"]


def test_a_device_that_moved_to_another_station_has_one_frame_waiting_and_no_more():
    box, _ = inbox()
    freed: list[str] = []
    box.frames([(1, b"old place")], lambda: freed.append("old"))
    box.frames([(1, b"new place")], lambda: freed.append("new"))
    assert freed == ["new"]
    arrivals = box.take(10)
    assert arrivals is not None
    assert arrivals.payload == [b"old place"]


@given(st.lists(st.sampled_from(["frame", "sent", "acknowledged", "take 1", "take all"]), max_size=40))
def test_a_frame_from_before_the_write_is_always_taken_before_sent_is(steps):
    box, _ = inbox()
    takes = []
    commands = 0
    frames: dict[bytes, int] = {}  # frame -> how many writes had been sent when it was read
    waiting = False

    def gone() -> None:
        nonlocal waiting
        waiting = False

    for at, step in enumerate(steps):
        if step == "frame" and not waiting:
            body = str(at).encode()
            frames[body] = commands
            waiting = True
            box.frames([(1, body), (2, b"other")], gone)
        elif step == "sent":
            commands += 1
            box.sent(1, str(commands))
        elif step == "acknowledged" and commands:
            box.acknowledged(1, str(commands))
        elif step.startswith("take"):
            takes.append(box.take(1 if step == "take 1" else 100))
    while (left := box.take(100)) is not None:
        takes.append(left)
    told = [one for one in takes if one is not None]
    sent_in = {command: at for at, one in enumerate(told) for command in one.sent}
    acknowledged_in = {command: at for at, one in enumerate(told) for command in one.acknowledged}
    assert sorted(sent_in, key=int) == [str(number + 1) for number in range(commands)]
    for command, at in acknowledged_in.items():
        assert sent_in[command] <= at
    for at, one in enumerate(told):
        for body in one.payload:
            if body in frames:
                assert all(sent_in[str(number + 1)] > at for number in range(frames[body], commands))


async def test_what_comes_after_a_pause_wakes_the_cycle_at_once_and_a_stream_only_now_and_then() -> None:
    time_us, woken = [1_000_000], asyncio.Event()
    link = ModbusLink(woken.set, lambda: time_us[0], lambda: time_us[0], lambda: time_us[0], Random(1))
    inbox = link._inbox

    def comes(device_no: int) -> None:
        inbox.frames([(device_no, b"")], lambda: None)

    comes(1)
    assert woken.is_set(), "nothing was taken for long"
    woken.clear()
    assert link.take(10) is not None
    comes(2)
    comes(3)
    assert not woken.is_set(), "the next take is soon, and takes both"
    await asyncio.wait_for(woken.wait(), 10)
    taken = link.take(10)
    assert taken is not None
    assert taken.device_no == [2, 3]
    time_us[0] += GATHER_US
    woken.clear()
    comes(1)
    assert woken.is_set()
