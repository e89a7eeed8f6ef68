"""One way to log for every process: structlog, ISO times in UTC, JSON unless a person is looking."""

import contextlib
import logging
import sys

import structlog

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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(),
    )
    structlog.contextvars.bind_contextvars(part=part)
    logging.basicConfig(stream=sys.stderr, level=max(level, logging.WARNING), format="%(name)s: %(message)s")
