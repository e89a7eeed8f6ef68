"""One way to log for every process: structlog, ISO times in UTC, JSON unless a person is looking.

No telephone and no identity number of a person stands in a line, whoever wrote it and in whatever field: they are
masked (access/masks.py) in each value, because JSON writes other scripts as escapes that would run into them, and once
more in the finished line. Nobody is to put one there; this is the last fence, for an error's own words.
"""

import contextlib
import logging
import sys
from typing import Any

import structlog

from access.masks import without_numbers
from davy.settings import Settings

#: Without the variables of each frame: a token or a telephone number may be among them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


class _Lines:
    """Lines to standard error. Where it is a file on a full disk they are lost: protection must not end for a log."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = fatal = msg


def _masked_values(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: _masked_value(value) for name, value in event.items()}


def _masked_value(value: Any) -> Any:
    """Texts, and those within lists and tables; anything else is left to the finished line."""
    match value:
        case str():
            return without_numbers(value)
        case dict():
            return {name: _masked_value(one) for name, one in value.items()}
        case list() | tuple():
            return [_masked_value(one) for one in value]
        case _:
            return value


def _masked(_: object, __: str, line: object) -> str:
    return without_numbers(str(line))


class _MaskedFormatter(logging.Formatter):
    """For the lines of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        return without_numbers(super().format(record))


def configure_log(settings: Settings, part: str) -> None:
    """Lines go to standard error, each with the name of the part that wrote it."""
    as_json = settings.log_json or not sys.stderr.isatty()
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_TRACEBACKS] if as_json else []),
            _masked_values,
            renderer,
            _masked,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(),
    )
    structlog.contextvars.bind_contextvars(part=part)
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(_MaskedFormatter("%(name)s: %(message)s"))
    logging.basicConfig(handlers=[lines], level=max(level, logging.WARNING))
