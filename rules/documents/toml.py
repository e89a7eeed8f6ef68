"""A document as TOML, and what a reader of TOML finds wrong, in words for who wrote it."""

import re
import tomllib
from typing import Any

from rules.documents.faults import TOO_DEEP, Fault, PackRefused, PlacedFault

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z")
_TYPES = re.compile(r"Expected `([a-z]+)(?: \| [a-z]+)*`, got `([a-z]+)`(?: - at `\$\.?.*`)?\Z")
_WORDS = {
    "object": "a table { ... }",
    "array": "a list [ ... ]",
    "str": "a text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}
#: The tables and keys of a document, by what people write instead.
_MEANT = {"rules": "[[rule]]", "overrides": "[[override]]", "Rule": "[[rule]]", "Version": "version"}


def read_toml(body: bytes, name: str) -> tuple[str, dict[str, Any]]:
    """(the text, what it says). A mark of byte order at its beginning, which some editors write, is passed over.
    Raises PackRefused with the line."""
    try:
        text = body.decode("utf-8-sig")
        said = tomllib.loads(text)
    except UnicodeDecodeError as wrong:
        raise refused(name, f"not UTF-8 at byte {wrong.start}; save it as UTF-8") from wrong
    except tomllib.TOMLDecodeError as wrong:
        found = _AT.search(str(wrong))
        place = f"{name}:{found[1]}: column {found[2]}" if found and found[1] else name
        raise refused(place, _AT.sub("", str(wrong)) + ("" if found and found[1] else " at its end")) from wrong
    except RecursionError as wrong:
        raise refused(name, TOO_DEEP) from wrong
    for key, meant in _MEANT.items():
        if key in said:
            raise refused(name, f"there is no {key!r}; write {meant}")
    if not isinstance(said.get("version"), str):
        raise refused(name, 'version: must stand at the top, a text of yours in quotes: version = "1"')
    return text, said


def refused(place: str, reason: str) -> PackRefused:
    return PackRefused([PlacedFault(place, "", Fault("", reason))])


def plain(reason: str) -> str:
    """What a checker of types says, in words."""
    found = _TYPES.match(reason)
    if not found:
        return reason
    wanted, given = (_WORDS.get(word, word) for word in found.groups())
    return f"must be {wanted}, not {given}"
