"""Whether an alarm rule looks at a device, by the pack that was in force: per class, as the engine selects."""

from dataclasses import dataclass, field

from devices.classes import DeviceClass
from devices.models import DeviceModel
from devices.quantities import ALARM_FLAGS, GAS_QUANTITIES, Flag
from rules.decisions import Priority
from rules.documents.document import Kind, RulePack, RuleState, load_pack
from rules.evaluation.selection import applies, parsed_of
from rules.language.canonical import quantities
from storage.database import Connection
from storage.rule_packs import rules_at, rules_body


@dataclass(slots=True)
class Ruled:
    """sha256: of the pack, empty where nobody knows which was in force; then no rule looks at anything."""

    sha256: str = ""
    pack: RulePack | None = None
    _about_gas: list[int] = field(default_factory=list)

    @classmethod
    async def at(cls, connection: Connection, at_us: int) -> "Ruled":
        """Raises DatabaseAway, DatabaseRefused."""
        since = await rules_at(connection, at_us)
        body = await rules_body(connection, since.sha256) if since is not None else None
        if since is None or body is None:
            return cls()
        pack = load_pack(body, since.by or "rules in force", kept=True)
        return cls(since.sha256, pack, [n for n in range(len(pack.rules)) if _about_gas(pack, n)])

    def looks_at(self, model: DeviceModel, enterprise: str, area: str, site_class: str, tags: tuple[str, ...]) -> bool:
        """Whether an active rule about gas looks at such a device."""
        if self.pack is None:
            return False
        one = DeviceClass(model, enterprise, area, site_class, tuple(sorted(set(tags))))
        return bool(applies(self.pack, (one,)).looks[0, self._about_gas].any())


def _about_gas(pack: RulePack, number: int) -> bool:
    """A rule that is active everywhere and raises an urgent alarm for gas: by a limit, an expression or the
    device's own alarm bits. What is of no hurry (a line that stays flat) protects nobody."""
    rule = pack.rules[number]
    urgent = rule.priority in (Priority.CRITICAL, Priority.HIGH)
    if rule.kind is not Kind.MEASURED or rule.state is not RuleState.ACTIVE or not urgent:
        return False
    condition = parsed_of(pack, number).condition
    named = (rule.quantity,) if condition is None else quantities(condition)
    flags = any(Flag[flag.upper()] & ALARM_FLAGS for flag in rule.flags)
    return flags or any(name in GAS_QUANTITIES for name in named)
