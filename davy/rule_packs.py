"""Which rules the settings ask for, as the one document that is journaled: a file, several packs, or Davy's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from davy.settings import Settings
from davy.values import is_pack_file
from rules.documents.merged import built_in, built_in_pack, default_pack, merge


class Asked(NamedTuple):
    """body: TOML. name: where it is from, for people. named: somebody asked for it; else it is what a new installation
    starts with."""

    body: bytes
    name: str
    named: bool


def asked_for(settings: Settings) -> Asked:
    """Raises OSError for a file that cannot be read, ValueError for packs that make no document. The rules in it are
    not looked at."""
    if settings.rules is not None:
        return Asked(settings.rules.read_bytes(), str(settings.rules), True)
    if settings.rule_packs:
        return Asked(together(settings.rule_packs), ", ".join(settings.rule_packs), True)
    return Asked(default_pack(), "built-in rules", False)


def together(packs: Sequence[str]) -> bytes:
    """Packs, each a file or the name of a built-in one, as one document. Raises OSError, ValueError."""
    return merge([(pack_name(pack), pack_body(pack)) for pack in packs])


def pack_name(pack: str) -> str:
    """What its faults are called by."""
    return Path(pack).name if is_pack_file(pack) else f"{pack}.toml"


def pack_body(pack: str) -> bytes:
    """Raises OSError for a file that cannot be read, ValueError for a name that is no built-in pack."""
    if is_pack_file(pack):
        return Path(pack).read_bytes()
    if pack not in built_in():
        raise ValueError(f"there is no pack {pack!r}; `davy rules packs` lists those there are")
    return built_in_pack(pack)
