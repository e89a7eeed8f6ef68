"""Text as PostgreSQL takes it."""

import re

#: In JSON's own text NUL is written so; behind an odd number of other backslashes it is not NUL.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean(text: str) -> str:
    """The same text with U+FFFD for NUL, the one character that PostgreSQL's text does not hold. A name with one in it
    is therefore found by nobody, and words with one in them stop nothing."""
    return text.replace("\x00", "\ufffd")


def clean_json(text: str) -> str:
    """The same for a JSON document: jsonb holds no NUL either."""
    return _NUL.sub(r"\1\\ufffd", text)
