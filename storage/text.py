"""Text as PostgreSQL takes it."""


def clean(text: str) -> str:
    """The same text with U+FFFD for NUL, the one character that PostgreSQL's text does not hold. A name with one in it
    is therefore found by nobody, and words with one in them stop nothing."""
    return text.replace("\x00", "\ufffd")
