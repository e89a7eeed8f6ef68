"""The policies of coverage that this installation knows: those that Davy brings, and those of the folder in the
settings."""

import structlog

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings
from devices.coverage_policy import Policy, load_policies

_log = structlog.get_logger()


def policies(settings: Settings) -> dict[str, Policy]:
    """By key. Raises CannotGoOn naming every fault of every file."""
    folders = (settings.coverage_policies,) if settings.coverage_policies is not None else ()
    try:
        return load_policies(*folders)
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"policies of coverage: {wrong}") from wrong


def policies_that_load(settings: Settings) -> dict[str, Policy]:
    """For a process that is there for more than reports: a fault in a policy keeps neither alarms nor history from
    anybody. Then those that Davy brings, and a line in the log."""
    try:
        return policies(settings)
    except CannotGoOn as wrong:
        _log.error(
            "policies of coverage are not those of the settings until this process is restarted", because=str(wrong)
        )
        return load_policies()
