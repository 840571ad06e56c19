"""A small page under a chip of the top bar: as high as its content, scrolled where the screen is smaller; Esc closes it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QFormLayout, QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from semascope.ui.theme import theme
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_label

Facts = list[tuple[str, str]]
Action = tuple[str, Callable[[], object]]


class Popover(QFrame):
    """A page that is filled through `column`, and its buttons, which stay in sight below it.

    Args:
        title: Its heading, and its name.
        width: In pixels at 100 %.
    """

    def __init__(self, title: str, width: int = 440) -> None:
        super().__init__(None, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("details")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(title)
        self._width = round(width * theme().scale)
        self._inside = QWidget()
        self.column = QVBoxLayout(self._inside)
        self.column.setContentsMargins(*[theme().spacing(4)] * 4)
        self.column.setSpacing(theme().spacing(3))
        self._area = QScrollArea()
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setWidget(self._inside)
        self._inside.setAutoFillBackground(False)
        self._buttons = QWidget()
        self._actions = FlowLayout(self._buttons, across=theme().spacing(2), down=theme().spacing(2))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(1, 1, 1, 1)
        whole.setSpacing(0)
        whole.addWidget(self._area, 1)
        self._foot = QVBoxLayout()
        self._foot.setContentsMargins(*[theme().spacing(n) for n in (4, 1, 4, 4)])
        self._foot.addWidget(self._buttons)
        whole.addLayout(self._foot)
        heading = plain_label(title)
        heading.setWordWrap(True)
        font = theme().ui()
        font.setBold(True)
        heading.setFont(font)
        self.column.addWidget(heading)

    def add_facts(self, facts: Facts) -> QFormLayout:
        """Two columns: what, and its value, which can be selected and copied."""
        form = QFormLayout()
        self.column.addLayout(form)
        form.setHorizontalSpacing(theme().spacing(4))
        form.setVerticalSpacing(theme().spacing(1))
        self.extend(form, facts)
        return form

    def extend(self, form: QFormLayout, facts: Facts) -> None:
        """More facts at the end of the two columns."""
        for name, value in facts:
            shown = plain_label(value)
            shown.setWordWrap(True)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow(plain_label(name, tone="quiet"), shown)
        if self.isVisible():
            QTimer.singleShot(0, self, self.fit)  # once what is new is shown, and counts

    def add_sentence(self, sentence: str, tone: str = "quiet") -> None:
        """A paragraph."""
        label = plain_label(sentence, tone=tone)
        label.setWordWrap(True)
        self.column.addWidget(label)

    def add_actions(self, actions: list[Action]) -> None:
        """Buttons that close the page and do something."""
        for name, run in actions:
            button = QPushButton(name)
            button.clicked.connect(self._closing(run))
            self._actions.addWidget(button)

    def open_below(self, chip: QWidget) -> None:
        """Show it under `chip`, no higher than there is room, nor further right than the screen."""
        self._under = chip
        self.fit()
        self.show()

    def fit(self) -> None:
        """Be as high as the content is, where there is room for that."""
        gap = theme().spacing(1)
        below = self._under.mapToGlobal(QPoint(0, self._under.height() + gap))
        screen = self._under.screen().availableGeometry()
        width = min(self._width, screen.width() - 2 * gap)
        foot = self._foot.heightForWidth(width - 2)
        self.column.invalidate()
        across = (
            width - 2 - self._area.verticalScrollBar().sizeHint().width()
        )  # as if it scrolled: then it never has to
        wanted = max(self.column.heightForWidth(across), self.column.minimumSize().height()) + foot + 4
        height = min(wanted, max(200, screen.bottom() - below.y() - gap))
        left = max(screen.left() + gap, min(below.x(), screen.right() - width - gap))
        self.setGeometry(left, below.y(), width, height)

    def _closing(self, run: Callable[[], object]) -> Callable[[], None]:
        def act() -> None:
            self.close()
            run()

        return act
