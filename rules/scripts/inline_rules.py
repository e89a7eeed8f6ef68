"""The rules in a rule script: TOML as in a pack, with what a test need not say filled in."""

import re
from collections.abc import Callable

from rules.documents.document import RulePack, default_pack, load_pack
from rules.documents.merged import built_in, built_in_packs
from rules.scripts.script import Rules
from rules.scripts.text import ScriptFault

#: What a pack that closes valves must hold besides; added to inline rules that close valves and lack it.
_OF_A_CLOSING = {
    "unconfirmed": ("valve-not-closed", "critical"),
    "no_valve": ("no-shut-off-valve", "critical"),
    "reopened": ("valve-reopened", "critical"),
    "asleep": ("valve-asleep", "high"),
    "held": ("shut-off-held", "critical"),
    "reverted": ("rule-reverted", "high"),
}
_FILLED = {
    "title": 'title = {{ zh = "{id}", en = "{id}" }}',
    "priority": 'priority = "high"',
    "source": 'source = "product choice"',
}


def pack_of(rules: Rules, read: Callable[[str], bytes]) -> RulePack:
    """The pack that a `rules` statement means. `read` gives the bytes of a file that it names. Raises ScriptFault;
    what `read` raises."""
    if rules.file:
        try:
            return load_pack(_body(rules.file, read), rules.file)
        except ValueError as wrong:
            raise ScriptFault(f"{rules.head.place}: {wrong}") from wrong
    lines = _filled(rules)
    try:
        return load_pack("\n".join(text for text, _ in lines).encode(), "rules")
    except ValueError as wrong:
        raise ScriptFault("\n".join(_placed(fault, rules, lines) for fault in str(wrong).splitlines())) from wrong


def _body(said: str, read: Callable[[str], bytes]) -> bytes:
    """Of `default`, of packs that Davy brings (with what rules that close valves must have besides), or of a file."""
    if said == "default":
        return default_pack()
    names = said.split()
    if not set(names) <= set(built_in()):
        if len(names) > 1:
            raise ValueError(
                f"{said}: several are packs that Davy brings, {', '.join(built_in())}; a file is named alone"
            )
        return read(said)
    body = built_in_packs(names).decode()
    return "\n".join([body, *(line for line, _ in _of_a_closing(body, 0))]).encode()


def _filled(rules: Rules) -> list[tuple[str, int]]:
    """(line, its number in the script) of the whole pack."""
    first = rules.head.place.line + 1
    written = [(text, first + at) for at, text in enumerate(rules.text.split("\n"))]
    starts = [at for at, (text, _) in enumerate(written) if re.match(r"\[\[\s*rule\s*\]\]", text)]
    lines = [] if any(re.match(r"version\s*=", text) for text, _ in written) else [('version = "script"', first)]
    lines += written[: starts[0]] if starts else written
    for start, end in zip(starts, [*starts[1:], len(written)], strict=True):
        block = written[start:end]
        own = next((at for at, (text, _) in enumerate(block[1:], 1) if text.startswith("[")), len(block))
        text = "\n".join(line for line, _ in block[:own])
        named = re.search(r'^id\s*=\s*"([^"]*)"', text, re.MULTILINE)
        lines.append(block[0])
        lines += [
            (line.format(id=named[1] if named else "rule"), block[0][1])
            for key, line in _FILLED.items()
            if not re.search(rf"^{key}\s*[.=]", text, re.MULTILINE)
        ]
        lines += block[1:]
    return lines + _of_a_closing("\n".join(line for line, _ in written), written[-1][1])


def _of_a_closing(text: str, line: int) -> list[tuple[str, int]]:
    if not re.search(r'^action\s*=\s*"close', text, re.MULTILINE):
        return []
    made: list[str] = []
    for kind, (rule, priority) in _OF_A_CLOSING.items():
        if not re.search(rf'^kind\s*=\s*"{kind}"', text, re.MULTILINE):
            made += ["[[rule]]", f'id = "{rule}"', f'kind = "{kind}"', f'priority = "{priority}"']
            made += [_FILLED["source"], _FILLED["title"].format(id=rule)]
    return [(one, line) for one in made]


def _placed(fault: str, rules: Rules, lines: list[tuple[str, int]]) -> str:
    """A fault of the pack, with the line of the script that it is about."""
    found = re.match(r"rules:(\d+)(?::\d+)?: (.*)\Z", fault)
    if found is not None and 1 <= int(found[1]) <= len(lines):
        return f"{rules.head.place.file}:{lines[int(found[1]) - 1][1]}: {found[2]}"
    return f"{rules.head.place}: {fault.removeprefix('rules: ')}"
