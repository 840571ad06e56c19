"""One job: its title, a slim bar, what is known of it, and what can be done."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from semascope.jobs.bridge import Bridge
from semascope.ui.panels.jobs.presenter import JobRow
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label, plain_tooltip

_MIDDLE = Qt.TextElideMode.ElideMiddle


class JobRowView(QWidget):
    """Shows a `JobRow`; pauses and cancels through the bridge."""

    def __init__(self, number: int, bridge: Bridge) -> None:
        super().__init__()
        self._number, self._bridge = number, bridge
        self._resumes = False
        self._title, self._facts = plain_label(), plain_label(tone="quiet")
        self._facts.setWordWrap(True)
        self._bar = QProgressBar(textVisible=False)
        self._bar.setFixedWidth(round(200 * theme().scale))
        self.pause = self._button("Pause", self._toggle_pause)
        self.cancel = self._button("Cancel", self._cancel)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(n) for n in (3, 2, 3, 2)])
        layout.setSpacing(theme().spacing(3))
        self._title.setFixedWidth(round(280 * theme().scale))
        policy = self._bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the facts of finished jobs stay under those of running ones
        self._bar.setSizePolicy(policy)
        for widget in (self._title, self._bar):
            layout.addWidget(widget)
        layout.addWidget(self._facts, 1)
        layout.addWidget(self.pause)
        layout.addWidget(self.cancel)

    def show_row(self, row: JobRow) -> None:
        """Show these facts."""
        self._title.setText(self._title.fontMetrics().elidedText(row.title, _MIDDLE, self._title.width()))
        self._title.setToolTip(plain_tooltip(row.title))
        self._facts.setText(row.facts)
        if self._facts.property("tone") != ("error" if row.failed else "quiet"):
            self._facts.setProperty("tone", "error" if row.failed else "quiet")
            self._facts.style().polish(self._facts)
        self._bar.setVisible(not row.over)
        self._bar.setRange(0, 0 if row.fraction is None else 1000)
        self._bar.setValue(round(1000 * (row.fraction or 0)))
        self._bar.setAccessibleName(f"Progress of {row.title}")
        self._resumes = row.can_resume
        self.pause.setText("Resume" if row.can_resume else "Pause")
        self.pause.setVisible(row.can_pause or row.can_resume)
        self.pause.setAccessibleName(f"{self.pause.text()} {row.title}")
        self.cancel.setVisible(row.can_cancel)
        self.cancel.setAccessibleName(f"Cancel {row.title}")

    def _toggle_pause(self) -> None:
        ticket = self._bridge.ticket(self._number)
        if ticket is not None:
            ticket.resume() if self._resumes else ticket.pause()

    def _cancel(self) -> None:
        ticket = self._bridge.ticket(self._number)
        if ticket is not None:
            ticket.cancel()

    def _button(self, words: str, action: object) -> QPushButton:
        button = QPushButton(words)
        button.setProperty("kind", "small")
        button.clicked.connect(action)
        return button

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(0, self.height() - 1, self.width(), 1, theme().hairline)
