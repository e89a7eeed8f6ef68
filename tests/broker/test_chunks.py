"""What a partition hands over at once."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.broker_chunks import ARRAYS_OF_ONE, Chunk, Waiting
from ingest.broker_topics import STRANGER


class Connection:
    live = True

    def acknowledge(self, packet_ids: list[bytes]) -> None:
        raise AssertionError("nothing is settled here")

    def withhold(self) -> None:
        raise AssertionError("nothing is settled here")


#: Each chunk: messages of device 0 to 3 (0: a stranger's), True for an array.
chunks = st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12), max_size=5)


@given(chunks, st.integers(1, 20), st.integers(1, 6))
def test_no_take_holds_more_arrays_of_one_device_than_its_share_and_all_comes_in_order(
    arrived: list[list[tuple[int, bool]]], most: int, most_arrays: int
) -> None:
    waiting = Waiting()
    for messages in arrived:
        waiting.add(
            Chunk(
                "broker:b",
                [device_no for device_no, _ in messages],
                [b"[]" if array else b"{}" for _, array in messages],
                epoch=Connection(),
                packet_ids=[b""] * len(messages),
                size=10 * len(messages),
                arrays=[at for at, (_, array) in enumerate(messages) if array],
            )
        )
    handed: list[tuple[int, bool]] = []
    while waiting:
        take = [
            (device_no, payload == b"[]")
            for chunk in waiting.take(most, 1_000, most_arrays)
            for device_no, payload in zip(chunk.device_no, chunk.payload, strict=True)
        ]
        assert 0 < len(take) <= most
        arrays = [device_no for device_no, array in take if array]
        assert len(arrays) <= most_arrays
        assert all(arrays.count(device_no) <= ARRAYS_OF_ONE for device_no in set(arrays) - {STRANGER})
        handed += take
    assert handed == [message for messages in arrived for message in messages]
