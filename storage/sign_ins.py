"""A sign-in, and what is said of it in the record: one transaction. Raises DatabaseAway and DatabaseRefused."""

from access.audit_chain import Plain
from access.directory import Account, Session
from storage import sessions
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.known import account_of


def parties(account: Account) -> list[str]:
    """In whose chains it stands what an account does: those of its enterprises; the platform's where it has none."""
    return sorted({one.enterprise for one in account.memberships}) or [""]


def said_of(account: Account, kind: str, *, at_us: int, by: str, **body: Plain) -> list[Said]:
    """The same for the chain of each party."""
    return [Said(tenant, at_us, kind, by, {"account": account.account, **body}) for tenant in parties(account)]


async def write_sign_in(connection: Connection, session: Session, network: str = "") -> bool:
    """Write a session down, once. `network`: where from, empty where it is nobody's business or not known any more.
    False where it is written already, or its account is gone or disabled meanwhile."""
    with translated():
        async with connection.transaction():
            account = await account_of(connection, session.account)
            if account is None or not await sessions.begin(connection, session):
                return False
            body = {"session": session.session, "how": session.how} | ({"network": network} if network else {})
            await record(
                connection,
                said_of(account, "login", at_us=session.began, by=f"person/{account.account}", **body),
            )
    return True
