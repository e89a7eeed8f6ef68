"""What a partition hands over at once."""

from collections import Counter
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from ingest.broker_chunks import Chunk, Waiting
from ingest.broker_topics import STRANGER
from ingest.links import ARRAY_COUNTS_FOR, MOST_PER_SENDER


class Connection:
    live = True

    def acknowledge(self, packet_ids: list[bytes]) -> None:
        raise AssertionError("nothing is settled here")

    def withhold(self) -> None:
        raise AssertionError("nothing is settled here")


#: One or many messages of device 0 to 3 (0: a stranger's), True for an array.
stretches = st.builds(
    lambda device_no, array, many: [(device_no, array)] * many,
    st.integers(0, 3),
    st.booleans(),
    st.one_of(st.just(1), st.integers(1, 3), st.integers(100, 700)),
)
#: Each chunk: messages.
chunks = st.lists(st.lists(stretches, min_size=1, max_size=6).map(lambda parts: [*chain(*parts)]), max_size=5)


@given(chunks, st.one_of(st.integers(1, 20), st.just(8_192)), st.integers(1, 6))
def test_no_take_holds_more_of_one_device_than_its_share_and_all_comes_in_order(
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
            for chunk in waiting.take(most, 100_000, most_arrays)
            for device_no, payload in zip(chunk.device_no, chunk.payload, strict=True)
        ]
        assert 0 < len(take) <= most
        arrays = [device_no for device_no, array in take if array]
        assert len(arrays) <= most_arrays
        weighs = Counter({device_no: (ARRAY_COUNTS_FOR - 1) * many for device_no, many in Counter(arrays).items()})
        weighs.update(device_no for device_no, _ in take)
        assert all(weight <= MOST_PER_SENDER for device_no, weight in weighs.items() if device_no != STRANGER)
        handed += take
    assert handed == [message for messages in arrived for message in messages]
