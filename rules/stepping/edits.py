"""What an edit of the rules says in the log: of every rule that is another now, key by key, what was and what is."""

import msgspec

from rules.decisions import RuleNoted
from rules.documents.document import Rule, RulePack

_KEYS = tuple(field.name for field in msgspec.structs.fields(Rule))
#: Longer texts of one key are cut: the documents themselves stand in the store (product choice).
_MOST_CHARACTERS = 300


def noted(before: RulePack, now: RulePack, at: int) -> list[RuleNoted]:
    """One decision per rule that is in both and not the same, in the order of the rules now."""
    if before is now:
        return []
    known = {rule.id: rule for rule in before.rules}
    found = []
    for rule in now.rules:
        once = known.get(rule.id)
        what = _differences(once, rule) + _overrides(before, now, rule.id) if once is not None else []
        if what:
            found.append(RuleNoted(at=at, rule=rule.id, what="; ".join(what)))
    return found


def _differences(once: Rule, rule: Rule) -> list[str]:
    if once == rule:
        return []
    pairs = ((key, getattr(once, key), getattr(rule, key)) for key in _KEYS)
    return [f"{key.rstrip('_')}: {_words(old)} -> {_words(new)}" for key, old, new in pairs if old != new]


def _overrides(before: RulePack, now: RulePack, rule: str) -> list[str]:
    old, new = ([one for one in pack.overrides if one.rule == rule] for pack in (before, now))
    return [f"overrides: {_words(old)} -> {_words(new)}"] if old != new else []


def _words(value: object) -> str:
    if value is None or value in ("", (), []):
        return "nothing"
    if isinstance(value, str):
        return value
    text = msgspec.json.encode(_given(msgspec.to_builtins(value))).decode()
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def _given(value: object) -> object:
    """Without what is as if it were not there."""
    if isinstance(value, dict):
        return {key: _given(one) for key, one in value.items() if one is not None and one not in ("", (), [], {})}
    return [_given(one) for one in value] if isinstance(value, list | tuple) else value
