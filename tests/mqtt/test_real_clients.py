"""Clients that other people wrote, unchanged: each signs in, publishes, is acknowledged, and gets its command."""

import asyncio
import json
import threading
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from devices.commands import Command, Verb, decode_command
from tests.fetch_mosquitto import mosquitto_bin, mosquitto_environment, why_not
from tests.mqtt.town import DETECTOR, IDENTITY, PATIENCE_S, VALVE, Town, token, topic

FAR = 1 << 60
CLOSE = Command("c1", Verb.CLOSE, 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "gas")
PAYLOAD = b'{"ts":1764633600000,"boot":1,"seq":1,"combustible_lel":0.5}'


# ---- paho-mqtt, in its own thread as its users run it ----


class Paho:
    """A paho client whose callbacks set events."""

    def __init__(self, town: Town, device_no: int, version: MQTTProtocolVersion) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=version)
        self.client.username_pw_set(IDENTITY[device_no], token(IDENTITY[device_no]))
        self.loop = asyncio.get_running_loop()
        self.connected: asyncio.Queue[int] = asyncio.Queue()
        self.subscribed: asyncio.Queue[list[int]] = asyncio.Queue()
        self.published: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self.messages: asyncio.Queue[paho.MQTTMessage] = asyncio.Queue()
        self.client.on_connect = lambda c, u, f, reason, p: self._put(self.connected, reason.value)
        self.client.on_subscribe = lambda c, u, m, reasons, p: self._put(self.subscribed, [r.value for r in reasons])
        self.client.on_publish = lambda c, u, mid, reason, p: self._put(self.published, (mid, reason.value))
        self.client.on_message = lambda c, u, message: self._put(self.messages, message)
        self.client.connect("127.0.0.1", town.port)
        self.client.loop_start()

    def _put(self, queue: asyncio.Queue, item: object) -> None:  # type: ignore[type-arg]
        self.loop.call_soon_threadsafe(queue.put_nowait, item)

    async def next(self, queue: asyncio.Queue) -> object:  # type: ignore[type-arg]
        return await asyncio.wait_for(queue.get(), PATIENCE_S)

    async def stop(self) -> None:
        self.client.disconnect()
        thread = threading.Thread(target=self.client.loop_stop)
        thread.start()
        await asyncio.to_thread(thread.join)


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_paho_publishes_and_gets_its_command(town: Town, version: MQTTProtocolVersion) -> None:
    device = Paho(town, VALVE, version)
    assert await device.next(device.connected) == 0
    device.client.subscribe(topic(VALVE, "command"), 1)
    assert await device.next(device.subscribed) == [1]
    town.running.clear()
    sent = [device.client.publish(topic(VALVE), PAYLOAD, 1).mid for _ in range(100)]
    while not town.endpoint.gauges()["mqtt_bytes_waiting"]:
        await asyncio.sleep(0)
    assert device.published.empty()
    town.running.set()
    assert [await device.next(device.published) for _ in sent] == [(mid, 0) for mid in sent]
    assert town.seen.readings == [(VALVE, PAYLOAD)] * 100
    assert town.endpoint.send(VALVE, CLOSE, FAR)
    message = await device.next(device.messages)
    assert isinstance(message, paho.MQTTMessage)
    assert decode_command(bytes(message.payload)) == CLOSE
    await town.until(lambda: town.seen.acknowledged == ["c1"])
    device.client.publish(topic(VALVE, "reply"), b'{"id":"c1","valve":"closed"}', 1)
    await town.until(lambda: town.seen.replies == [(VALVE, b'{"id":"c1","valve":"closed"}')])
    await device.stop()


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
async def test_paho_is_refused_with_the_reason(town: Town, version: MQTTProtocolVersion) -> None:
    device = Paho(town, DETECTOR, version)
    assert await device.next(device.connected) == 0
    device.client.subscribe("#", 1)
    assert await device.next(device.subscribed) == [0x87 if version is MQTTProtocolVersion.MQTTv5 else 0x80]
    if version is MQTTProtocolVersion.MQTTv5:
        device.client.publish(topic(VALVE), PAYLOAD, 1)
        assert await device.next(device.published) == (2, 0x87)
    await device.stop()


async def test_paho_sends_cbor_by_its_content_type(town: Town) -> None:
    device = Paho(town, DETECTOR, MQTTProtocolVersion.MQTTv5)
    assert await device.next(device.connected) == 0
    properties = PahoProperties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "application/cbor"
    device.client.publish(topic(DETECTOR), b"\xa0", 1, properties=properties)
    await device.next(device.published)
    assert town.seen.content_types == ["application/cbor"]
    await device.stop()


# ---- aiomqtt ----


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt_publishes_and_gets_its_command(town: Town, version: aiomqtt.ProtocolVersion) -> None:
    identity = IDENTITY[VALVE]
    async with aiomqtt.Client(
        "127.0.0.1", town.port, username=identity, password=token(identity), protocol=version, timeout=PATIENCE_S
    ) as client:
        await client.subscribe(topic(VALVE, "command"), 1)
        await asyncio.gather(*(client.publish(topic(VALVE), PAYLOAD, qos=1) for _ in range(50)))
        assert town.seen.readings == [(VALVE, PAYLOAD)] * 50
        assert town.endpoint.send(VALVE, CLOSE, FAR)
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(aiter(client.messages))
        assert isinstance(message.payload, bytes)
        assert decode_command(message.payload) == CLOSE
        await town.until(lambda: town.seen.acknowledged == ["c1"])


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_aiomqtt_is_told_that_its_token_is_wrong(town: Town, version: aiomqtt.ProtocolVersion) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(
            "127.0.0.1", town.port, username=IDENTITY[VALVE], password="wrong", protocol=version, timeout=PATIENCE_S
        ):
            pass
    assert town.refused("bad_credentials") == 1


# ---- mosquitto_pub and mosquitto_sub ----


@pytest.fixture
def programs() -> Path:
    found = mosquitto_bin()
    if found is None or not (found / "mosquitto_pub").exists():
        pytest.skip(why_not())
    return found


async def started(
    program: Path, town: Town, device_no: int, version: str, *arguments: str
) -> asyncio.subprocess.Process:
    identity = IDENTITY[device_no]
    where = ("-h", "127.0.0.1", "-p", str(town.port), "-V", version, "-u", identity, "-P", token(identity))
    return await asyncio.create_subprocess_exec(
        program,
        *where,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=mosquitto_environment(),
    )


async def output_of(process: asyncio.subprocess.Process, given: bytes | None = None) -> tuple[int | None, bytes]:
    said, _ = await asyncio.wait_for(process.communicate(given), PATIENCE_S)
    return process.returncode, said


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", ["0", "1"])
async def test_mosquitto_pub_publishes(town: Town, programs: Path, version: str, qos: str) -> None:
    arguments = ("-q", qos, "-t", topic(DETECTOR), "-m", PAYLOAD.decode())
    pub = await started(programs / "mosquitto_pub", town, DETECTOR, version, *arguments)
    assert await output_of(pub) == (0, b"")
    await town.until(lambda: town.seen.readings == [(DETECTOR, PAYLOAD)])


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_publishes_a_line_after_the_other(town: Town, programs: Path, version: str) -> None:
    lines = [json.dumps({"seq": n}).encode() for n in range(2000)]
    pub = await started(programs / "mosquitto_pub", town, DETECTOR, version, "-q", "1", "-l", "-t", topic(DETECTOR))
    assert await output_of(pub, b"\n".join(lines) + b"\n") == (0, b"")
    assert [payload for _, payload in town.seen.readings] == lines


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_sub_gets_its_command(town: Town, programs: Path, version: str) -> None:
    arguments = ("-q", "1", "-t", topic(VALVE, "command"), "-C", "1")
    sub = await started(programs / "mosquitto_sub", town, VALVE, version, *arguments)
    await town.until(lambda: town.seen.connected == [VALVE])
    assert town.endpoint.send(VALVE, CLOSE, FAR)
    code, said = await output_of(sub)
    assert code == 0
    assert decode_command(said.strip()) == CLOSE
    await town.until(lambda: town.seen.acknowledged == ["c1"])


async def test_mosquitto_pub_is_told_that_a_topic_is_not_its_own(town: Town, programs: Path) -> None:
    pub = await started(programs / "mosquitto_pub", town, DETECTOR, "mqttv5", "-q", "1", "-t", "a/b", "-m", "x")
    _, said = await output_of(pub)
    assert b"not authorized" in said.lower() or town.refused("publish_topic") == 1
    sub = await started(programs / "mosquitto_sub", town, DETECTOR, "mqttv5", "-t", "#", "-C", "1", "-W", "5")
    code, said = await output_of(sub)
    assert (code, town.refused("subscription")) != (0, 0)
    assert town.seen.readings == []
