"""What a run of all tests tells before its end."""

from __future__ import annotations

import pytest


class TellsAtOnce:
    """A plugin of pytest: a run that is stopped has told its failures, which pytest itself keeps for the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            reporter = self._config.pluginmanager.get_plugin("terminalreporter")
            reporter.write_line(f"\n== FAILED: {report.nodeid} ({report.when})\n{report.longreprtext}")
