"""Permits of the naive reference: two people, and no newer CLOSE."""

from dataclasses import dataclass

from devices.commands import Verb
from rules.decisions import AttemptRequested, CommandStepped, PermitChanged, PermitState, Step, command_id, permit_id
from rules.documents.document import Kind
from rules.instructions import ApprovePermit, CompletePermit, RequestPermit, WithdrawPermit
from tests.rules.reference_budget import Budget
from tests.rules.reference_matrix import FORBIDS
from tests.rules.reference_terms import MINUTE

OfPermits = RequestPermit | ApprovePermit | WithdrawPermit | CompletePermit


@dataclass
class Permit:
    name: str
    slot: int
    granted: bool
    by: str
    reason: str
    epoch: int
    expires: int


class Permits(Budget):
    epochs: dict[int, int]
    permits: dict[int, Permit]

    def forbidden(self, valve: int) -> bool:
        """An alarm that closes this valve stands, or its closing is wanted."""
        return valve in self.wants or any(
            cell.state in FORBIDS
            and not cell.trial
            and self.rules[number].action.closes
            and valve in self.reach(slot, number)
            for (slot, number), cell in self.cells.items()
        )

    def of_permit(self, said: OfPermits, slot: int) -> tuple[bool, str]:
        """Whether it is done, and the permit."""
        if isinstance(said, RequestPermit):
            refused = slot not in self.fleet.valves or not said.reason.strip() or slot in self.permits
            if refused or self.forbidden(slot):
                return False, ""
            name = permit_id(said.device_no, said.at)
            permit = Permit(name, slot, False, said.by, said.reason, self.epochs[slot], said.at + 30 * MINUTE)
            self.permits[slot] = permit
            self.tell_permit(permit, PermitState.REQUESTED, said.at, said.by, said.reason)
            return True, name
        found = next((one for one in self.permits.values() if one.name == said.permit), None)
        return found is not None and self.about(said, found), said.permit

    def about(self, said: OfPermits, permit: Permit) -> bool:
        if isinstance(said, ApprovePermit):
            if permit.granted or said.by == permit.by or self.forbidden(permit.slot):
                return False
            permit.granted, permit.expires = True, said.at + 30 * MINUTE
            self.tell_permit(permit, PermitState.GRANTED, said.at, said.by)
            self.not_seen(permit.slot)
            self.out.append(
                AttemptRequested(
                    at=said.at,
                    command=command_id(permit.name, 1),
                    wanted=permit.name,
                    device_no=int(self.fleet.device_no[permit.slot]),
                    epoch=permit.epoch,
                    attempt=1,
                    expires=permit.expires,
                    reason=permit.reason,
                    verb=Verb.PERMIT_OPEN,
                )
            )
        elif isinstance(said, WithdrawPermit):
            self.end_permit(permit, PermitState.WITHDRAWN, said.at, said.by, said.reason)
        elif isinstance(said, CompletePermit):
            limits = [
                rule.at_or_above
                for rule in self.rules
                if rule.kind is Kind.FIELD and rule.quantity == "combustible_lel"
            ]
            limit = limits[0] if limits and limits[0] is not None else 20.0
            if not permit.granted or not 0 <= said.combustible_lel < limit / 4 or self.forbidden(permit.slot):
                return False
            del self.permits[permit.slot]
            self.tell_permit(permit, PermitState.COMPLETED, said.at, said.by, said.comment, said.combustible_lel)
            self.not_seen(permit.slot)
        return True

    def not_seen(self, valve: int) -> None:
        """It may be open by now."""
        self.positions.pop(valve, None)
        self.seen.pop(valve, None)
        self.relied.discard(valve)

    def end_permit(self, permit: Permit, what: PermitState, at: int, by: str = "", comment: str = "") -> None:
        del self.permits[permit.slot]
        self.tell_permit(permit, what, at, by, comment)

    def die(self, slot: int, at: int, why: str) -> None:
        if slot in self.permits:
            self.end_permit(self.permits[slot], PermitState.DEAD, at, comment=why)

    def permit_stepped(self, command: str, step: Step, at: int, note: str = "", slot: int | None = None) -> None:
        for permit in self.permits.values():
            if slot in (None, permit.slot) and permit.granted and command_id(permit.name, 1) == command:
                number = int(self.fleet.device_no[permit.slot])
                self.out.append(
                    CommandStepped(at=at, command=command, wanted=permit.name, device_no=number, step=step, note=note)
                )

    def tell_permit(
        self, permit: Permit, what: PermitState, at: int, by: str, comment: str = "", lel: float | None = None
    ) -> None:
        lives = what in (PermitState.REQUESTED, PermitState.GRANTED)
        self.out.append(
            PermitChanged(
                at=at,
                permit=permit.name,
                device_no=int(self.fleet.device_no[permit.slot]),
                state=what,
                epoch=permit.epoch if what is PermitState.GRANTED else 0,
                expires=permit.expires if lives else 0,
                by=by,
                comment=comment,
                combustible_lel=lel,
            )
        )
