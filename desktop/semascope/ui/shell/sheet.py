"""A form over the window: a title, fields, a line that says what would happen or why it can't, and two buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label


class Sheet(QDialog):
    """Base of the program's own dialogs; never `exec`uted, always `open`ed."""

    def __init__(self, title: str, accept: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.form = QFormLayout()
        self.form.setHorizontalSpacing(theme().spacing(4))
        self.form.setVerticalSpacing(theme().spacing(3))
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.verdict = plain_label(tone="quiet")
        self.verdict.setWordWrap(True)
        self.verdict.setMinimumHeight(round(40 * theme().scale))
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.go = QPushButton(accept)
        self.go.setProperty("kind", "primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self.accept)
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(cancel)
        buttons.addWidget(self.go)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(5)] * 4)
        layout.setSpacing(theme().spacing(4))
        layout.addLayout(self.form)
        layout.addWidget(self.verdict)
        layout.addStretch()
        layout.addLayout(buttons)
        self.setMinimumWidth(round(520 * theme().scale))

    def row(self, words: str, *widgets: QWidget) -> QLabel:
        """Add a labelled row."""
        return labelled_row(self.form, words, *widgets)

    def fit_to(self, width: int, height: int) -> None:
        """Be so large (pixels at 100 %), but no larger than the window below."""
        below, margin = self.parentWidget(), theme().spacing(6)
        room = below.size() if below is not None else self.screen().availableSize()
        scale = theme().scale
        self.resize(
            min(round(width * scale), room.width() - margin), min(round(height * scale), room.height() - margin)
        )

    def judge(self, problem: str, otherwise: str = "", unfinished: bool = False) -> None:
        """Say why it can't be done, or what it will take; the button follows. What is not yet filled in is no error."""
        self.verdict.setText(problem or otherwise)
        self.verdict.setProperty("tone", "error" if problem and not unfinished else "quiet")
        self.verdict.style().polish(self.verdict)
        self.go.setEnabled(not problem and not unfinished)


def labelled_row(form: QFormLayout, words: str, *widgets: QWidget) -> QLabel:
    """Add a row to a form; the label names the first widget for those who can't see it."""
    label = plain_label(words)
    label.setBuddy(widgets[0])
    widgets[0].setAccessibleName(words)
    if len(widgets) == 1:
        form.addRow(label, widgets[0])
    else:
        across = QHBoxLayout()
        across.setSpacing(theme().spacing(2))
        for index, widget in enumerate(widgets):
            across.addWidget(widget, 1 if index == 0 else 0)
        form.addRow(label, across)
    return label
