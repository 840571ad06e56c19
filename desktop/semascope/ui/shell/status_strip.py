"""The strip at the bottom: the job that is running, and whether the work is saved."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from semascope.jobs.records import JobRecord
from semascope.state.workspace import Workspace
from semascope.ui.progress_words import progress_words
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.plain_text import plain_label


class StatusStrip(QWidget):
    """Shows one job: the one a person waits for, else the oldest. The Jobs panel has them all."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._shown: JobRecord | None = None
        self._stopping = False
        self._title, self._facts = plain_label(size="small"), plain_label(tone="quiet", size="small")
        self._more = plain_label(tone="quiet", size="small")
        self._bar = QProgressBar(textVisible=False)
        self._bar.setAccessibleName("Progress of the running job")
        self.pause = self._button("Pause", self._pause)
        self.cancel = self._button("Cancel", self._cancel)
        self._saved = plain_label("no network", tone="quiet", size="small")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme().spacing(3), 1, theme().spacing(3), 0)
        layout.setSpacing(theme().spacing(3))
        for widget in (self._title, self._bar, self._facts, self.pause, self.cancel, self._more):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self._saved)
        workspace.bridge.job_changed.connect(self._update)
        workspace.saved.connect(self._on_saved)
        themes().changed.connect(self._dress)
        self._dress()
        self._update(None)

    @property
    def text(self) -> str:
        """What it says about the job, or ""."""
        return f"{self._title.text()} {self._facts.text()}".strip() if not self._title.isHidden() else ""

    def say_stopping(self) -> None:
        """The window is closing and waits for the step that runs."""
        self._stopping = True
        self._title.setText("Stopping…")
        self._title.show()
        for widget in (self._bar, self._facts, self.pause, self.cancel, self._more):
            widget.hide()

    def _dress(self) -> None:
        self.setFixedHeight(round(34 * theme().scale))
        self._bar.setFixedWidth(round(200 * theme().scale))

    def _update(self, _: JobRecord | None) -> None:
        if self._stopping:
            return
        running = self._workspace.bridge.running()
        busy = [record for record in running if record.state != "waiting"]
        self._shown = next((r for r in busy if not r.pausable), busy[0] if busy else None)
        record = self._shown
        for widget in (self._title, self._facts, self._bar):
            widget.setVisible(record is not None)
        self.cancel.setVisible(record is not None and record.cancellable)
        self.pause.setVisible(record is not None and record.pausable)
        others = len(running) - 1
        self._more.setVisible(others > 0)
        self._more.setText(f"and {others} more")
        if record is None:
            return
        self._title.setText(record.title)
        self._facts.setText("paused" if record.state == "paused" else _facts(record))
        self.pause.setText("Resume" if record.state == "paused" else "Pause")
        fraction = record.progress.fraction if record.progress else None
        self._bar.setRange(0, 0 if fraction is None else 1000)
        self._bar.setValue(round(1000 * (fraction or 0)))

    def _pause(self) -> None:
        ticket = self._workspace.bridge.ticket(self._shown.number) if self._shown else None
        if ticket is not None:
            ticket.resume() if ticket.paused else ticket.pause()

    def _cancel(self) -> None:
        ticket = self._workspace.bridge.ticket(self._shown.number) if self._shown else None
        if ticket is not None:
            ticket.cancel()

    def _on_saved(self, path: Path | None) -> None:
        self._saved.setText("Session saved · no network" if path else "Saving… · no network")
        self._saved.setToolTip(str(path) if path else "")

    def _button(self, text: str, action: object) -> QPushButton:
        button = QPushButton(text)
        button.setProperty("kind", "small")
        button.clicked.connect(action)
        return button

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().pane)
        painter.fillRect(0, 0, self.width(), 1, theme().line)


def _facts(record: JobRecord) -> str:
    return progress_words(record.progress) if record.progress else ""
