"""Which alarms are only tried: of a rule that is in a dry run, or a canary at other sites, or taken back by itself.

Y1  A trial alarm lives its whole life and moves nothing.
Y2  Whether a site belongs to a canary depends on the names of rule and site alone, so a larger share keeps those of a
    smaller one, and every engine says the same.
Y3  A rule that was taken back by itself is doubted for what software judged by it. What a device says by its own alarm
    bit is in force all the same (G13); not where the author only tries the rule.
"""

import hashlib

from rules.documents.document import Rule, RuleState
from rules.stepping.state import State

#: Shares of a canary are told apart to a hundredth of a percent (product choice).
_SHARES = 10_000


def is_trial(state: State, rule: int, slot: int, *, device_says: bool) -> bool:
    """Whether an alarm of this rule (its number) at this device (its slot) would be a trial now. `device_says`: an
    alarm bit of the device itself says so."""
    spec = state.compiled.rules[rule]
    if spec.state is RuleState.DRY_RUN or (spec.id in state.reverted and not device_says):
        return True
    if spec.state is not RuleState.CANARY:
        return False
    device = state.fleet.devices[slot]
    return device is None or not in_canary(spec, device.site)


def in_canary(rule: Rule, site: str) -> bool:
    """Whether a rule in its canary is in force at this site."""
    return drawn(rule.id, site) < rule.canary_pct * 100


def drawn(rule: str, site: str) -> int:
    """The place of a site in the order in which a rule comes into force, 0 .. 9999: the first eight bytes, big-endian,
    of blake2b("rule|site") modulo 10,000."""
    digest = hashlib.blake2b(f"{rule}|{site}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _SHARES
