"""The suite's last words: which tests were skipped, and why."""

import sys
from collections import defaultdict

import hypothesis
import pytest

# How long an example takes says something about the machine; speed is measured by `davy bench`.
hypothesis.settings.register_profile("davy", deadline=None)
hypothesis.settings.load_profile("davy")

#: reason -> names of the tests
_skipped: dict[str, list[str]] = defaultdict(list)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[reason.removeprefix("Skipped: ")].append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped[report.longrepr[2].removeprefix("Skipped: ")].append(f"{report.nodeid} (whole file)")


def pytest_unconfigure() -> None:
    """After pytest's own last line, so that nobody has to look for it."""
    lines = [f"skipped: {sum(map(len, _skipped.values()))} tests"]
    for reason, tests in sorted(_skipped.items()):
        lines.append(f"  {len(tests)} because {reason}")
        lines += [f"    {test}" for test in tests]
    sys.stdout.write("\n".join(lines) + "\n")
