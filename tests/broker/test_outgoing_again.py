"""Commands of an earlier connection on a new one: the receive maximum holds for them too, and their identifiers."""

from hypothesis import given
from hypothesis import strategies as st

from ingest.broker_outgoing import SUBSCRIBE_ID, Outgoing
from ingest.mqtt_wire import V5
from tests.broker.test_outgoing import command, packets


def test_after_a_reconnect_no_more_commands_are_under_way_than_the_broker_takes() -> None:
    outgoing = Outgoing(V5, 1_024)
    outgoing.connected(False, 65_535, 0)
    first = [packets(outgoing.give(command(f"c{n}", 100), 0))[0] for n in range(30)]
    outgoing.disconnected()
    again = packets(outgoing.connected(True, 20, 0))
    assert [(one.payload, one.packet_id, one.dup) for one in again] == [
        (one.payload, one.packet_id, True) for one in first[:20]
    ]
    assert outgoing.give(command("new", 100), 0) == b""  # it waits behind those of before
    for done, next_one in zip(first[:10], first[20:], strict=True):
        (said,) = packets(outgoing.acknowledged(done.packet_id, 0, 0))
        assert (said.payload, said.packet_id, said.dup) == (next_one.payload, next_one.packet_id, True)
    (said,) = packets(outgoing.acknowledged(first[10].packet_id, 0, 0))
    assert (said.payload, said.dup) == (b"new", False)
    assert outgoing.sent == ["new"]


def test_no_command_has_the_packet_identifier_of_the_subscription() -> None:
    outgoing = Outgoing(V5, 10)
    outgoing.connected(False, 65_535, 0)
    ids = set()
    for n in range(70_000):
        (said,) = packets(outgoing.give(command(f"c{n}", 100), 0))
        ids.add(said.packet_id)
        outgoing.acknowledged(said.packet_id, 0, 0)
    assert ids == set(range(2, 65_536))
    assert SUBSCRIBE_ID not in ids


def test_a_broker_that_grants_all_identifiers_does_not_make_the_search_for_a_free_one_endless() -> None:
    outgoing = Outgoing(V5, 70_000)
    outgoing.connected(False, 65_535, 0)
    given = [outgoing.give(command(f"c{n}", 100), 0) for n in range(65_600)]
    assert sum(map(bool, given)) == 65_534


@given(steps=st.lists(st.one_of(st.just("give"), st.just("lose"), st.integers(0, 50)), max_size=80), data=st.data())
def test_at_any_time_the_receive_maximum_holds_and_no_identifier_is_two_commands(
    steps: list[str | int], data: st.DataObject
) -> None:
    outgoing, most, under_way, number = Outgoing(V5, 1_024), 3, dict[int, bytes](), 0
    names: dict[int, bytes] = {}  # identifier -> command, until its PUBACK, over all connections
    said = outgoing.connected(False, most, 0)
    for step in steps:
        if step == "give":
            number += 1
            said = outgoing.give(command(f"c{number}", 100), 0)
        elif step == "lose":
            outgoing.disconnected()
            under_way, most = {}, data.draw(st.integers(1, 6))
            said = outgoing.connected(True, most, 0)
        elif isinstance(step, int) and under_way:
            done = sorted(under_way)[step % len(under_way)]
            del under_way[done], names[done]
            said = outgoing.acknowledged(done, 0, 0)
        else:
            continue
        for one in packets(said):
            assert one.packet_id not in under_way
            assert names.setdefault(one.packet_id, one.payload) == one.payload
            under_way[one.packet_id] = one.payload
        assert len(under_way) <= most
