"""What is wrong with the types of a document: not only the first mistake, but one of every table in it."""

import re
from enum import Enum
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

#: (dotted key, reason).
Fault = tuple[str, str]
_PATH = re.compile(r" - at `\$\.?(.*)`\Z")
_FIRST = re.compile(r"[.\[]")
_NAMED = re.compile(r"`([^`]+)`\Z")


def typed_faults(document: dict[str, Any], kind: type[msgspec.Struct], prefix: str = "") -> list[Fault]:
    """Faults of a TOML document (or a table of one, at key `prefix`) that shall become a `kind`. Each element of an
    array of tables is looked at by itself, and so is each table named in `kind`."""
    faults: list[Fault] = []
    rest = dict(document)
    for name, hint in get_type_hints(kind).items():
        if name not in rest:
            continue
        part = _struct_in(hint)
        if part is None:
            continue
        said = rest[name]
        if isinstance(said, dict) and not _is_array(hint):
            found = typed_faults(said, part, f"{prefix}{name}.")
            stand_in: object = None
        elif isinstance(said, list) and _is_array(hint):
            found = [fault for at, one in enumerate(said) for fault in _element(one, part, f"{prefix}{name}[{at}]")]
            stand_in = []
        else:
            continue
        if found:
            faults += found
            # Out of the way of the rest: None and [] are right for every part that may be wrong by itself.
            rest[name] = stand_in
    try:
        msgspec.convert(rest, kind)
    except msgspec.ValidationError as wrong:
        faults.append(_fault(wrong, kind, prefix))
    return faults


def _element(said: object, kind: type[msgspec.Struct], key: str) -> list[Fault]:
    if isinstance(said, dict):
        return typed_faults(said, kind, f"{key}.")
    return [(key, f"Expected a table, got {type(said).__name__}")]


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The one table type in a type hint."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    found = [inner for inner in map(_struct_in, get_args(hint)) if inner is not None]
    return found[0] if len(found) == 1 else None


def _is_array(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is tuple


def _allowed(hint: Any) -> tuple[object, ...]:
    """The values that a type hint lists one by one."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(member.value for member in hint)
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for inner in get_args(hint) for value in _allowed(inner))


def _fault(wrong: msgspec.ValidationError, kind: type[msgspec.Struct], prefix: str) -> Fault:
    text = str(wrong)
    path = _PATH.search(text)
    reason = text[: path.start()] if path else text
    key = path.group(1) if path else ""
    if reason.startswith("Invalid enum value"):
        allowed = _allowed(get_type_hints(kind).get(_FIRST.split(key)[0]))
        reason = f"{reason.removeprefix('Invalid enum value ')} is not one of {', '.join(map(str, allowed))}"
    named = _NAMED.search(reason)
    if named is not None and ("unknown field" in reason or "missing required field" in reason):
        key = f"{key}.{named.group(1)}" if key else named.group(1)
        reason = "there is no such key" if "unknown field" in reason else "is missing"
    return f"{prefix}{key}".rstrip("."), reason
