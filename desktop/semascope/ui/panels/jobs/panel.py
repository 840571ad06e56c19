"""The Jobs panel: every job of this run with its progress, rate and time left; pause, resume, cancel.

Layout only. Rows are kept and updated in place, so that a button does not vanish under the pointer.
"""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from semascope.jobs.records import JobRecord
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Command, Commands
from semascope.ui.panels.jobs.presenter import JobsPresenter
from semascope.ui.panels.jobs.row import JobRowView
from semascope.ui.theme import theme
from semascope.ui.widgets.empty_state import EmptyState


class JobsPanel(QWidget):
    """See the module."""

    ID = "jobs"
    TITLE = "Jobs"

    def __init__(self, workspace: Workspace, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("panel.jobs")
        self.setAccessibleName("Jobs")
        self._workspace = workspace
        self._presenter = JobsPresenter()
        self._views: dict[int, JobRowView] = {}
        self._list = QVBoxLayout()
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(0)
        inside = QWidget()
        down = QVBoxLayout(inside)
        down.setContentsMargins(0, 0, 0, 0)
        down.addLayout(self._list)
        down.addStretch()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inside)
        inside.setAutoFillBackground(False)  # QScrollArea sets it; the pane behind is the ground
        area.viewport().setAutoFillBackground(False)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(
            EmptyState("No jobs yet", "Opening models, harvests and generations will be listed here while they run.")
        )
        self._stack.addWidget(area)
        workspace.bridge.job_changed.connect(self._take)
        self._add_commands(commands)

    def sizeHint(self) -> QSize:
        """Three rows: what a dock at the bottom gets unless a person pulls it higher."""
        return QSize(super().sizeHint().width(), round(108 * theme().scale))

    def _add_commands(self, commands: Commands) -> None:
        bridge = self._workspace.bridge
        commands.add(
            Command(
                "jobs.cancel_all",
                "Cancel all jobs",
                "Stop everything that runs or waits.",
                self._cancel_all,
                enabled=lambda: bool(bridge.running()),
            )
        )
        commands.add(
            Command(
                "jobs.clear", "Clear finished jobs", "Take the jobs that are over off the list.", self._clear_finished
            )
        )

    def _take(self, record: JobRecord) -> None:
        self._presenter.take(record)
        self._show()

    def _cancel_all(self) -> None:
        for record in self._workspace.bridge.running():
            ticket = self._workspace.bridge.ticket(record.number)
            if ticket is not None:
                ticket.cancel()

    def _clear_finished(self) -> None:
        self._presenter.clear_finished()
        self._show()

    def _show(self) -> None:
        rows = self._presenter.rows()
        for number in self._views.keys() - {row.number for row in rows}:
            self._views.pop(number).deleteLater()
        for place, row in enumerate(rows):
            if row.number not in self._views:
                self._views[row.number] = JobRowView(row.number, self._workspace.bridge)
            view = self._views[row.number]
            view.show_row(row)
            if self._list.indexOf(view) != place:
                self._list.insertWidget(place, view)
        self._stack.setCurrentIndex(1 if rows else 0)
