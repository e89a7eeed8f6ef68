"""Who is connected as whom, who hears the commands of which device, and the sessions of those who are away.

R1  A client identifier belongs to its identity: it takes over the connection of the same identity with the same
    identifier, and cannot touch another identity's.
R2  A credential that is gone or changed, or a device that left, ends its connections at once (`replace`); a former
    token that has run out, within a second (`end_former`). Who has lost every credential leaves no session behind.
"""

from typing import Protocol

from ingest.mqtt_directory import Changed, Directory, Grant
from ingest.mqtt_limits import EndpointLimits, Why
from ingest.mqtt_session import InFlight, KeptSessions, Session


class Member(Protocol):
    """A signed-in connection, as the roster sees it. `end` calls `Roster.leave` before it returns."""

    grant: Grant | None
    session: Session | None

    def end(self, why: Why, words: str) -> None: ...

    def deliver(self, command: InFlight, now_us: int) -> bool: ...


class Roster:
    def __init__(self, limits: EndpointLimits, directory: Directory) -> None:
        self.directory = directory
        self._limits = limits
        self._kept = KeptSessions(limits)
        self._of_identity: dict[str, tuple[Member, ...]] = {}
        self._listening: dict[int, tuple[Member, ...]] = {}
        self._former: dict[Member, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of_identity.values()))

    @property
    def sessions_kept(self) -> int:
        return len(self._kept)

    @property
    def devices_listening(self) -> int:
        return len(self._listening)

    def enter(self, member: Member, grant: Grant, client_id: str, clean: bool, kept_s: int, now_us: int) -> bool:
        """Sign a member in, and give it its session. Returns whether it is an old one. `now_us`: monotonic."""
        identity = grant.identity
        for other in self._of_identity.get(identity, ()):
            if other.session is not None and other.session.client_id == client_id:
                other.end(Why.TAKEN_OVER, "the same client signed in again")
        others = self._of_identity.get(identity, ())
        if len(others) >= self._limits.connections_per_identity:
            others[0].end(Why.TOO_MANY_OF_IDENTITY, "the oldest of too many of one identity")
        old = self._kept.resume(identity, client_id, now_us)
        if clean:
            old = None
        session = Session(identity, client_id) if old is None else old
        session.kept_s = kept_s
        member.grant, member.session = grant, session
        self._of_identity[identity] = (*self._of_identity.get(identity, ()), member)
        self._note_former(member, grant)
        return old is not None

    def leave(self, member: Member, now_us: int) -> None:
        """The member's connection is over; its session is kept when it is to outlive it. Harmless when repeated."""
        grant, session = member.grant, member.session
        if grant is None or session is None:
            return
        for topic in session.subscriptions:
            self._unlisten(member, grant.heard(topic))
        others = tuple(other for other in self._of_identity[grant.identity] if other is not member)
        if others:
            self._of_identity[grant.identity] = others
        else:
            del self._of_identity[grant.identity]
        member.session = None
        self._former.pop(member, None)
        self._kept.keep(session, now_us)

    def subscribe(self, member: Member, topic: str, qos: int) -> int | None:
        """Add or change a subscription that the grant allows. Returns the device that can be commanded from now on and
        could not before by this connection, if there is one."""
        grant, session = member.grant, member.session
        device_no = grant.heard(topic) if grant is not None else None
        if device_no is None or session is None:
            return None
        session.subscriptions[topic] = qos
        listeners = self._listening.get(device_no, ())
        if member in listeners:
            return None
        self._listening[device_no] = (*listeners, member)
        return device_no

    def unsubscribe(self, member: Member, topic: str) -> bool:
        """False when there was no such subscription."""
        grant, session = member.grant, member.session
        if grant is None or session is None or session.subscriptions.pop(topic, None) is None:
            return False
        self._unlisten(member, grant.heard(topic))
        return True

    def listeners(self, device_no: int) -> tuple[Member, ...]:
        """The connections that hear this device's commands."""
        return self._listening.get(device_no, ())

    def replace(self, directory: Directory, now_us: int, changed: Changed | None = None) -> None:
        """A registry holds from now on. `changed`: of whom something else is said than before; None: nobody knows.
        `now_us`: microseconds UTC."""
        self.directory = directory
        for identity in tuple(self._of_identity) if changed is None else changed.about:
            for member in self._of_identity.get(identity, ()):
                self._renew(member, now_us)
        for identity in self._kept.identities() if changed is None else changed.about:
            if not directory.number(identity) or (changed is not None and identity in changed.revoked):
                self._kept.forget_identity(identity)

    def end_former(self, now_us: int) -> None:
        """End connections whose token has run out. `now_us`: microseconds UTC."""
        for member in [member for member, until_us in self._former.items() if until_us <= now_us]:
            self._renew(member, now_us)

    def _note_former(self, member: Member, grant: Grant) -> None:
        until_us = self.directory.good_until(grant)
        if until_us:
            self._former[member] = until_us
        else:
            self._former.pop(member, None)

    def forget_old(self, now_us: int) -> None:
        self._kept.forget_old(now_us)

    def _renew(self, member: Member, now_us: int) -> None:
        before, session = member.grant, member.session
        if before is None or session is None:
            return
        grant = self.directory.renew(before, now_us)
        if grant is not None:
            self._note_former(member, grant)
        if grant is None:
            session.kept_s = 0
            member.end(Why.REVOKED, "the registry no longer has this device with this credential")
        elif grant is not before:
            for topic in tuple(session.subscriptions):
                if grant.heard(topic) != before.heard(topic):
                    self.unsubscribe(member, topic)
            member.grant = grant

    def _unlisten(self, member: Member, device_no: int | None) -> None:
        if device_no is None:
            return
        others = tuple(other for other in self._listening.get(device_no, ()) if other is not member)
        if others:
            self._listening[device_no] = others
        else:
            self._listening.pop(device_no, None)
