"""What is shared arrives: signed, at least once, by the same id however often; nothing else does."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from notify.outgoing.signed import new_secret
from storage import grants, webhooks
from storage.audit_read import Asked, entries
from storage.database import connect
from storage.times import as_datetime
from storage.webhook_work import alone, tidy
from storage.webhooks import OFF_AFTER_S, PAUSES_S
from tests.notify.receiver import Received, Receiver, receiving
from tests.notify.sharing import FIELDS, Shared, sealed, sharing
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND

REFUSING = b"HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nbusy"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Scene:
    shared: Shared
    receiver: Receiver
    folder: Path
    url: str

    async def turn(self) -> bool:
        return await (await self.shared.worker(self.receiver)).turn()

    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.receiver.received]


@pytest.fixture
async def scene(plain_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with receiving(tmp_path) as receiver, sharing(plain_url, receiver.url()) as shared:
        yield Scene(shared, receiver, tmp_path, plain_url)


async def test_what_is_shared_arrives_signed_once_and_in_order(scene: Scene) -> None:
    shared = scene.shared
    happened = await shared.happens(3) + await shared.happens(2)
    assert await scene.turn()
    assert not await scene.turn()
    assert scene.ids() == happened
    message = shared.verified(scene.receiver.received[0])
    assert message["type"] == "davy.alarm.raised"
    assert (message["id"], message["source"], message["grant"]) == (happened[0], "davy/engine-1", shared.grant.key)
    data = message["data"]
    assert isinstance(data, dict)
    assert tuple(data) == FIELDS["alarms"]
    assert (data["priority"], data["area"]) == ("high", "500156")
    assert [(one.status, one.said, one.attempts) for one in await shared.deliveries()] == [(200, "ok", 1)] * 5


async def test_what_a_receiver_refuses_is_tried_again_by_the_same_id_and_the_others_wait_with_it(scene: Scene) -> None:
    shared, receiver = scene.shared, scene.receiver
    first, second = await shared.happens(2)
    receiver.answer = REFUSING
    await scene.turn()
    assert scene.ids() == [first]
    assert not await scene.turn()
    shared.now_us += PAUSES_S[0] * SECOND
    await scene.turn()
    assert scene.ids() == [first, first]
    receiver.answer = b"HTTP/1.1 204 No\r\n\r\n"
    shared.now_us += 2 * HOUR
    await scene.turn()
    assert Counter(scene.ids()) == {first: 3, second: 1}
    known = await shared.deliveries()
    assert [(one.attempts, one.status, one.due) for one in known] == [(3, 204, None), (1, 204, None)]
    assert (await shared.known()).failing is None


async def test_a_message_that_never_arrives_is_given_up_and_its_webhook_put_off_and_said(scene: Scene) -> None:
    shared, receiver = scene.shared, scene.receiver
    await shared.happens()
    receiver.answer = REFUSING
    for pause_s in (*PAUSES_S, 0):
        await scene.turn()
        shared.now_us += pause_s * SECOND
    (one,) = await shared.deliveries()
    assert (one.attempts, one.due, bool(one.gave_up), one.said) == (len(PAUSES_S) + 1, None, True, "busy")
    assert (await shared.known()).off is None
    shared.now_us += OFF_AFTER_S * SECOND
    await shared.happens()
    await scene.turn()
    known = await shared.known()
    assert known.off == shared.now_us
    assert known.off_because.startswith("nothing arrived for 5 days")
    said = await entries(shared.connection, Asked("acme-co", 0, None, None, None, None), limit=100)
    assert [entry.kind for entry in said] == ["grant_made", "grant_accepted", "webhook_made", "webhook_put_off"]
    cursor = await shared.connection.execute("SELECT kind, body->>'webhook' FROM notice")
    assert await cursor.fetchall() == [("webhook_put_off", known.key)]
    before = len(receiver.received)
    shared.now_us += DAY
    await shared.happens()
    assert not await scene.turn()
    assert len(receiver.received) == before


async def test_what_happens_while_it_is_off_is_sent_when_it_is_on_again(scene: Scene) -> None:
    shared, receiver = scene.shared, scene.receiver
    (first,) = await shared.happens()
    receiver.answer = GONE
    await scene.turn()
    known = await shared.known()
    assert known.off_because == "the receiver answered 410 Gone"
    (second,) = await shared.happens()
    assert not await scene.turn()
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    values = {"off": None, "off_because": "", "failing": None}
    await webhooks.change(
        shared.connection, known, kind="webhook_turned_on", values=values, by="test", now_us=shared.now_us
    )
    shared.now_us += MINUTE
    await scene.turn()
    assert Counter(scene.ids()) == {first: 2, second: 1}


async def test_an_ended_grant_sends_nothing_more_not_even_what_waits(scene: Scene) -> None:
    shared, receiver = scene.shared, scene.receiver
    await shared.happens()
    receiver.answer = REFUSING
    await scene.turn()
    await grants.end(shared.connection, shared.grant.key, "gas-a", by="test", now_us=shared.now_us)
    await shared.happens()
    shared.now_us += DAY
    assert not await scene.turn()
    assert len(receiver.received) == 1
    await tidy(shared.connection, shared.now_us)
    (one,) = await shared.deliveries()
    assert (one.due, one.said) == (None, "the grant has ended")
    await tidy(shared.connection, shared.now_us + 40 * DAY)
    assert await shared.deliveries() == []


@pytest.mark.parametrize("party", ["gas-a", "acme-co"])
async def test_when_a_party_is_gone_nothing_more_is_sent(scene: Scene, party: str) -> None:
    shared, receiver = scene.shared, scene.receiver
    await shared.happens()
    receiver.answer = REFUSING
    await scene.turn()
    await shared.connection.execute("UPDATE enterprise SET gone = now() WHERE key = %s", (party,))
    await shared.happens()
    shared.now_us += DAY
    assert not await scene.turn()
    assert len(receiver.received) == 1


async def test_while_a_secret_takes_anothers_place_both_sign(scene: Scene) -> None:
    shared = scene.shared
    newer = new_secret(os.urandom)
    values = {
        "secret": await sealed(shared.connection, shared.webhook, newer),
        "former": shared.webhook.secret,
        "former_until": as_datetime(shared.now_us + HOUR),
    }
    await webhooks.change(shared.connection, shared.webhook, kind="rotated", values=values, by="test", now_us=0)
    await shared.happens()
    await scene.turn()
    for secret in (newer, shared.secret):
        shared.verified(scene.receiver.received[0], secret)
    shared.now_us += HOUR
    await shared.happens()
    await scene.turn()
    shared.verified(scene.receiver.received[1], newer)
    with pytest.raises(AssertionError):
        shared.verified(scene.receiver.received[1], shared.secret)


async def test_what_is_asked_for_again_comes_by_the_ids_it_had(scene: Scene) -> None:
    shared = scene.shared
    first, second, third = await shared.happens(3)
    await scene.turn()
    number = (await shared.deliveries())[1].number
    asked = {"by": "test", "now_us": shared.now_us}
    assert await webhooks.again(shared.connection, shared.webhook, numbers=[number], **asked) == 1  # type: ignore[arg-type]
    await scene.turn()
    assert await webhooks.again(shared.connection, shared.webhook, from_us=shared.now_us, **asked) == 3  # type: ignore[arg-type]
    await scene.turn()
    assert scene.ids() == [first, second, third, second, first, second, third]


async def test_a_message_that_cannot_be_tried_stands_in_nobodys_way(scene: Scene) -> None:
    shared = scene.shared
    await shared.happens()
    await shared.connection.execute("UPDATE webhook SET url = %s", (f"https://{'a' * 80}.example/",))
    await scene.turn()
    (one,) = await shared.deliveries()
    assert (one.attempts, one.status) == (1, None)
    await shared.connection.execute("DELETE FROM tenant_key")
    shared.now_us += MINUTE
    await scene.turn()
    (one,) = await shared.deliveries()
    assert (one.attempts, "does not open" in one.said) == (2, True)


async def test_only_one_worker_is_at_it(scene: Scene) -> None:
    other = await connect(scene.url, name="test")
    try:
        assert await alone(scene.shared.connection)
        assert not await alone(other)
        await scene.shared.connection.execute("SELECT pg_advisory_unlock_all()")
        assert await alone(other)
    finally:
        await other.close()


async def test_killed_between_sending_and_writing_down_nothing_is_lost_and_nothing_comes_three_times(
    scene: Scene,
) -> None:
    happened = set(await scene.shared.happens(3) + await scene.shared.happens(3))
    worker: asyncio.subprocess.Process | None = None
    arrived = asyncio.Event()

    def kill(received: Received) -> None:
        """What arrives the first time and is every second of them ends its sender before it hears that it did."""
        arrived.set()
        ids = scene.ids()
        if ids.count(received.headers["webhook-id"]) == 1 and len(set(ids)) % 2 == 0 and worker is not None:
            os.kill(worker.pid, signal.SIGKILL)

    scene.receiver.on_received = kill
    kills = 0
    async with asyncio.timeout(90):
        while {one.id for one in await scene.shared.deliveries() if one.done} != happened:
            if worker is None or worker.returncode is not None:
                kills += worker is not None
                command = ("-m", "tests.notify.worker_process", scene.url, str(scene.folder / "receiver.example.pem"))
                worker = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=Path(__file__).parents[2])
            arrived.clear()
            await asyncio.wait(
                {asyncio.ensure_future(arrived.wait()), asyncio.ensure_future(worker.wait())},
                timeout=0.5,
                return_when=asyncio.FIRST_COMPLETED,
            )
    assert worker is not None
    if worker.returncode is None:
        worker.kill()
        await worker.wait()
    counts = Counter(scene.ids())
    assert set(counts) == happened
    assert max(counts.values()) == 2
    assert kills == 3
