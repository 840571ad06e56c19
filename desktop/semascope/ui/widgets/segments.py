"""A choice between a few words that stand side by side, one of them always chosen: "Text | Chat"."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget


class Segments(QWidget):
    """Buttons of which one is down.

    Args:
        choices: The words, and what each does (a tooltip).
        name: What is chosen, for screen readers.

    Signals:
        chosen(int): the person chose this place.
    """

    chosen = Signal(int)

    def __init__(self, choices: tuple[tuple[str, str], ...], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.buttons: list[QPushButton] = []
        for place, (words, help) in enumerate(choices):
            button = QPushButton(words)
            button.setCheckable(True)
            button.setToolTip(help)
            button.setAccessibleName(f"{name}: {words}")
            button.setProperty("kind", "segment")
            button.setProperty("place", "first" if place == 0 else "last" if place == len(choices) - 1 else "")
            self._group.addButton(button, place)
            layout.addWidget(button)
            self.buttons.append(button)
        self.buttons[0].setChecked(True)
        self._group.idClicked.connect(self.chosen)

    @property
    def choice(self) -> int:
        """The place of the chosen one."""
        return self._group.checkedId()

    def show_choice(self, place: int) -> None:
        """Show this choice, without telling anybody."""
        self.buttons[place].setChecked(True)

    def set_possible(self, place: int, possible: bool, help: str) -> None:
        """Offer a choice or not; `help` says what it does, or why it is not possible."""
        self.buttons[place].setEnabled(possible)
        self.buttons[place].setToolTip(help)
