"""People and programs of several parties in a database, signed in without the work that a password takes."""

import asyncio
from dataclasses import dataclass, field

from access.directory import ApiKey, Session
from access.principals import Membership
from access.secrets import Secret, new_id, new_secret
from devices.sites import token_sha256
from storage import account_changes as changes
from storage import sessions
from storage.account_changes import By
from storage.accounts import NewAccount
from storage.database import Connection, connect

#: Long after anything here begins.
LATER_US = 4_000_000_000_000_000


@dataclass(slots=True)
class People:
    """Their bearer tokens, by the name that a test gives them. `now_us`: when they signed in."""

    now_us: int
    tokens: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, str] = field(default_factory=dict)

    def headers(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    async def person(self, connection: Connection, name: str, *memberships: Membership) -> None:
        """An account `name`, which has signed in."""
        account = new_id()
        by = By("test", self.now_us)
        await changes.create(connection, NewAccount(account, name, memberships), by)
        token = new_secret(Secret.SESSION)
        session = Session(new_id(), account, token_sha256(token), "password", self.now_us, LATER_US)
        assert await sessions.begin(connection, session)
        self.tokens[name], self.accounts[name] = token, account

    async def key(self, connection: Connection, name: str, of: Membership, *scopes: str) -> None:
        key = new_id()
        secret = new_secret(Secret.KEY, key)
        expires = self.now_us + changes.KEY_LIVES_US
        made = ApiKey(key, token_sha256(secret), of, frozenset(scopes), expires)
        await changes.make_key(connection, made, name, By("test", self.now_us))
        self.tokens[name] = secret


async def add_enterprise(connection: Connection, key: str, kind: str, *, vendor: str = "", area: str = "") -> None:
    await connection.execute(
        "INSERT INTO enterprise (key, kind, vendor, area) VALUES (%s, %s, %s, %s) ON CONFLICT (key) DO UPDATE"
        " SET kind = EXCLUDED.kind, vendor = EXCLUDED.vendor, area = EXCLUDED.area",
        (key, kind, vendor, area),
    )


def in_database(url: str, work: "object") -> None:
    """Run `work(connection)` to its end, from a test that is not asynchronous."""

    async def run() -> None:
        connection = await connect(url, name="test")
        try:
            await work(connection)  # type: ignore[operator]
        finally:
            await connection.close()

    asyncio.run(run())
