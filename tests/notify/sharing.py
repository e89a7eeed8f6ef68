"""A gas company that shares its alarms with a vendor's platform, and the vendor's webhook, in a database."""

import contextlib
import datetime
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from standardwebhooks import Webhook as Verifier

from davy.webhook_part import Worker
from devices.models import load_catalogue
from devices.sites import Device, Registry, Site
from notify.outgoing.guard import Guard
from notify.outgoing.signed import new_secret
from rules import decisions as d
from storage import grants, webhooks
from storage.batch import assemble
from storage.change_feed import ends
from storage.database import Connection, connect, ready
from storage.grants import Grant
from storage.sealed import MasterKey
from storage.tenant_keys import key_to_seal, webhook_place
from storage.tenants import roles_of
from storage.webhooks import Webhook
from storage.writer import Writer
from tests.api.people import add_enterprise
from tests.notify.receiver import Received, Receiver, resolver
from tests.storage.cycles import SECOND, T0, cycle
from tests.storage.registered import registered

MASTER = MasterKey(bytes(range(32)))
ENGINE = "engine-1"
FIELDS = {"alarms": ("alarm", "rule", "priority", "area")}


def here(receiver: Receiver) -> Guard:
    """A guard that may reach loopback, which no setting can make it do."""
    return Guard(resolver=resolver("127.0.0.1"), admits=lambda _: True, trusted=receiver.trusted)


@dataclass(slots=True)
class Shared:
    """One grant with one webhook. `now_us`: the clock of whoever works here."""

    connection: Connection
    writer: Writer
    grant: Grant
    webhook: Webhook
    secret: str
    now_us: int = T0
    cycles: int = 0

    async def worker(self, receiver: Receiver, connection: Connection | None = None) -> Worker:
        used = connection or self.connection
        return Worker(used, await roles_of(used), MASTER, here(receiver), lambda: self.now_us)

    async def happens(self, many: int = 1) -> list[str]:
        """Alarms are raised; the ids of their messages."""
        self.cycles += 1
        at = T0 + self.cycles * SECOND
        decisions = tuple(
            d.AlarmRaised(
                at=at,
                alarm=d.alarm_id("gas-high", 1, at + n),
                rule="gas-high",
                device_no=1,
                site="site-1",
                priority=d.Priority.HIGH,
                onset=at,
                state=d.AlarmState.UNACKNOWLEDGED,
            )
            for n in range(many)
        )
        await self.writer.write(assemble([cycle(self.cycles, decisions=decisions, now=at)]), at)
        return [f"{ENGINE}:{self.cycles}:{n}" for n in range(many)]

    async def deliveries(self) -> list[webhooks.Delivery]:
        """Oldest first."""
        return (await webhooks.deliveries(self.connection, self.webhook.key, before=None, limit=100))[::-1]

    async def known(self) -> Webhook:
        found = await webhooks.webhook(self.connection, self.webhook.key)
        assert found is not None
        return found

    def verified(self, received: Received, secret: str = "") -> dict[str, object]:
        """The message, by the receiver's own check. (Its clock is ours: the check of the age is passed by.)"""
        verifier = Verifier(secret or self.secret)
        stamp = received.headers["webhook-timestamp"]
        assert int(stamp) == self.now_us // SECOND
        at = datetime.datetime.fromtimestamp(int(stamp), datetime.UTC)
        signature = verifier.sign(received.headers["webhook-id"], at, received.body.decode())
        assert signature in received.headers["webhook-signature"].split()
        message: dict[str, object] = json.loads(received.body)
        return message


@contextlib.asynccontextmanager
async def sharing(url: str, to: str) -> AsyncIterator[Shared]:
    connection, writing = await connect(url, name="test"), await connect(url, name="test")
    try:
        await add_enterprise(connection, "gas-a", "gas_company")
        await add_enterprise(connection, "acme-co", "vendor", vendor="acme")
        models = tuple(model for model in load_catalogue() if model.key == "sim_detector_home")
        device = Device(1, "acme", "d1", "sim_detector_home", "site-1")
        site = Site("site-1", enterprise="gas-a", area="500156")
        await registered(connection, Registry(models=models, sites=(site,), devices=(device,)))
        writer = Writer(writing, ENGINE, await ready(writing))
        await writer.open()
        grant = Grant(grants.new_key(os.urandom), "gas-a", "acme-co", FIELDS, "50", T0, None, "a test", T0, None, None)
        await grants.make(connection, grant, by="test", now_us=T0)
        accepted = await grants.accept(connection, grant.key, "acme-co", by="test", now_us=T0)
        assert accepted is not None
        secret = new_secret(os.urandom)
        made = await _webhook(connection, accepted, to, secret)
        yield Shared(connection, writer, accepted, made, secret)
    finally:
        await connection.close()
        await writing.close()


async def _webhook(connection: Connection, grant: Grant, to: str, secret: str) -> Webhook:
    key = grants.new_key(os.urandom)
    made = Webhook(
        key, grant.receiver, grant.key, to, b"", None, None, await ends(connection), T0, None, None, ""
    )  # fmt: skip
    made = replace(made, secret=await sealed(connection, made, secret))
    await webhooks.make(connection, made, by="test", now_us=T0)
    return made


async def sealed(connection: Connection, of: Webhook, secret: str) -> bytes:
    key = await key_to_seal(connection, MASTER, of.enterprise, now_us=T0, random_bytes=os.urandom)
    return key.seal(webhook_place(of.enterprise, of.key), secret, os.urandom)
