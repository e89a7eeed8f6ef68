"""Who is known: accounts, sessions and keys, in memory and by the hashes of their secrets. Pure; no I/O, no clock.

It is what signs requests in, so that no request waits for a database, and, kept on disk, what lets people go on while
PostgreSQL is down (G3).

K1  No secret is in it: passwords are argon2id hashes, tokens SHA-256 of 256 random bits.
K2  What has ended is not found, whatever order the news came in: an account that is disabled, a session that has ended
    or expired, a key that was revoked or has expired.
K3  `changed` rows replace those known by the same id. A session whose account is not known signs nobody in.
"""

from dataclasses import dataclass, field

import msgspec

from access.principals import Membership, Person, Principal, Service
from access.roles import Role


class Account(msgspec.Struct, frozen=True):
    """`memberships` carry their enterprise's area (as a prefix) and vendor. `password`: argon2id as a PHC string, or
    empty."""

    account: str
    login: str
    password: str = ""
    issuer: str = ""
    subject: str = ""
    disabled: bool = False
    memberships: tuple[Membership, ...] = ()

    @property
    def is_staff(self) -> bool:
        """Of a party, and not only at home: those sign in also while the database is away."""
        return any(one.role is not Role.RESIDENT for one in self.memberships)


class Session(msgspec.Struct, frozen=True):
    """Times in microseconds since 1970 UTC; `ended` 0: it goes on. `how`: `password`, or `external`."""

    session: str
    account: str
    secret_sha256: str
    how: str
    began: int
    expires: int
    ended: int = 0

    def lives(self, now_us: int) -> bool:
        return not self.ended and now_us < self.expires


class ApiKey(msgspec.Struct, frozen=True):
    key: str
    secret_sha256: str
    membership: Membership
    scopes: frozenset[str]
    expires: int
    revoked: int = 0

    def lives(self, now_us: int) -> bool:
        return not self.revoked and now_us < self.expires


class Changes(msgspec.Struct, frozen=True):
    """What was written since a look, and the mark for the next look: the oldest transaction that had not ended."""

    accounts: tuple[Account, ...] = ()
    sessions: tuple[Session, ...] = ()
    keys: tuple[ApiKey, ...] = ()
    mark: int = 0


@dataclass(slots=True)
class Directory:
    """Of one installation."""

    accounts: dict[str, Account] = field(default_factory=dict)
    _logins: dict[str, str] = field(default_factory=dict)
    _elsewhere: dict[tuple[str, str], str] = field(default_factory=dict)
    _sessions: dict[str, Session] = field(default_factory=dict)  # by the hash of their secret
    _keys: dict[str, ApiKey] = field(default_factory=dict)
    mark: int = 0

    def learn(self, news: Changes) -> bool:
        """K3. Whether anything of it was new."""
        new = False
        for account in news.accounts:
            if self.accounts.get(account.account) != account:
                self.add_account(account)
                new = True
        for session in news.sessions:
            if self._sessions.get(session.secret_sha256) != session:
                self.add_session(session)
                new = True
        for key in news.keys:
            if self._keys.get(key.secret_sha256) != key:
                self._keys[key.secret_sha256] = key
                new = True
        self.mark = news.mark
        return new

    def add_account(self, account: Account) -> None:
        before = self.accounts.get(account.account)
        if before is not None:
            self._logins.pop(before.login, None)
            self._elsewhere.pop((before.issuer, before.subject), None)
        self.accounts[account.account] = account
        self._logins[account.login] = account.account
        if account.issuer:
            self._elsewhere[account.issuer, account.subject] = account.account

    def add_session(self, session: Session) -> None:
        self._sessions[session.secret_sha256] = session

    def learn_of(self, account: Account, session: Session) -> None:
        """Somebody signed in through us."""
        self.add_account(account)
        self.add_session(session)

    def by_login(self, login: str) -> Account | None:
        """Enabled or not."""
        return self.accounts.get(self._logins.get(login, ""))

    def elsewhere(self, issuer: str, subject: str) -> Account | None:
        """Whoever it is that an external provider names."""
        return self.accounts.get(self._elsewhere.get((issuer, subject), "")) if issuer else None

    def person(self, secret_sha256: str, now_us: int) -> Person | None:
        """Whose session this is, while it lives (K2)."""
        session = self._sessions.get(secret_sha256)
        if session is None or not session.lives(now_us):
            return None
        account = self.accounts.get(session.account)
        return None if account is None else as_person(account, session.session)

    def service(self, secret_sha256: str, now_us: int) -> Service | None:
        """Whose key this is, while it lives (K2)."""
        key = self._keys.get(secret_sha256)
        return Service(key.key, key.membership, key.scopes) if key is not None and key.lives(now_us) else None

    def still(self, who: Principal, now_us: int) -> bool:
        """Whether a principal of ours is who it was, by what it signed in with (K2); others always are."""
        match who:
            case Person(session=session) if session:
                found = next((one for one in self._sessions.values() if one.session == session), None)
                return found is not None and self.person(found.secret_sha256, now_us) == who
            case Person(account=account):
                known = self.accounts.get(account)
                return known is not None and as_person(known, "") == who
            case Service(key=key):
                return any(one.key == key and one.lives(now_us) for one in self._keys.values())
            case _:
                return True

    def sessions_of(self, account: str, now_us: int) -> list[Session]:
        """Those that live, newest first."""
        found = [one for one in self._sessions.values() if one.account == account and one.lives(now_us)]
        return sorted(found, key=lambda one: (-one.began, one.session))

    def forget_ended(self, now_us: int) -> None:
        """Let go of what nobody can use any more, and of residents without a session."""
        self._sessions = {hashed: one for hashed, one in self._sessions.items() if one.lives(now_us)}
        self._keys = {hashed: one for hashed, one in self._keys.items() if one.lives(now_us)}
        present = {one.account for one in self._sessions.values()}
        for account in [one for one in self.accounts.values() if not one.is_staff and one.account not in present]:
            del self.accounts[account.account]
            self._logins.pop(account.login, None)
            self._elsewhere.pop((account.issuer, account.subject), None)

    def everything(self) -> Changes:
        """All of it, for a file."""
        return Changes(
            tuple(self.accounts.values()), tuple(self._sessions.values()), tuple(self._keys.values()), self.mark
        )


def as_person(account: Account, session: str) -> Person | None:
    return None if account.disabled else Person(account.account, account.memberships, session)
