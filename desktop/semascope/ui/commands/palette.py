"""The command palette (Ctrl+K): type a few letters, press Enter. Everything the program can do, by its own words.

A view of the registry: it holds no command itself. What cannot run now is greyed and stays, so that one learns that
it exists; with nothing typed, the commands used lately come first.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from semascope.ui.commands.match import score
from semascope.ui.commands.palette_row import PaletteDelegate
from semascope.ui.commands.registry import Command, Commands
from semascope.ui.theme import theme

WIDTH, ROWS = 560, 12
_MOVES = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: ROWS, Qt.Key.Key_PageUp: -ROWS}


class Palette(QFrame):
    """Opens over `window`, at its top in the middle; closes when it has run a command or lost the focus."""

    def __init__(self, commands: Commands, window: QWidget) -> None:
        super().__init__(window, Qt.WindowType.Popup | Qt.WindowType.FramelessWindowHint)
        self.setObjectName("palette")
        self._commands, self._window = commands, window
        self.field = QLineEdit()
        self.field.setPlaceholderText("What would you like to do?")
        self.field.setAccessibleName("Find a command")
        self.field.textChanged.connect(self._search)
        self.field.returnPressed.connect(self._run_current)
        self.field.installEventFilter(self)
        self.list = QListWidget()
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setAccessibleName("Commands")
        self.list.setItemDelegate(PaletteDelegate(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.itemEntered.connect(self.list.setCurrentItem)
        self.list.itemClicked.connect(lambda item: self._run(item))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[theme().spacing(2)] * 4)
        layout.setSpacing(theme().spacing(2))
        layout.addWidget(self.field)
        layout.addWidget(self.list)

    def open(self) -> None:
        """Show it, empty, ready to type."""
        self.field.clear()
        self._search("")
        window = self._window
        corner = window.mapToGlobal(window.rect().topLeft())
        width = min(round(WIDTH * theme().scale), window.width() - theme().spacing(8))
        self.setFixedWidth(width)
        self.move(corner.x() + (window.width() - width) // 2, corner.y() + theme().spacing(12))
        self.show()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    def found(self) -> list[Command]:
        """What the list shows, in order."""
        return [self.list.item(row).data(Qt.ItemDataRole.UserRole) for row in range(self.list.count())]

    def _search(self, query: str) -> None:
        self.list.clear()
        for command in self._ranked(query):
            item = QListWidgetItem(command.words_now)
            item.setData(Qt.ItemDataRole.UserRole, command)
            item.setData(Qt.ItemDataRole.AccessibleDescriptionRole, command.help)
            if not command.enabled():
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            self.list.addItem(item)
        self.list.setCurrentRow(self._next_enabled(-1, 1))
        self._fit()

    def _fit(self) -> None:
        """As high as what was found."""
        self.list.setVisible(self.list.count() > 0)
        self.list.setFixedHeight(theme().row * min(ROWS, self.list.count()))
        self.adjustSize()

    def _ranked(self, query: str) -> list[Command]:
        recent = {id: place for place, id in enumerate(self._commands.recent())}
        ranked = []
        for place, command in enumerate(self._commands):
            fit = score(query, command.words_now, f"{command.menu} {command.words} {command.help}")
            if fit is not None:
                used = recent.get(command.id, len(recent) + place)
                # With letters typed the fit decides and use breaks ties; with none, use decides.
                ranked.append(
                    (fit - (0.3 if command.id in recent and query else 0), not command.enabled(), used, command)
                )
        return [command for *_, command in sorted(ranked, key=lambda row: row[:3])]

    def _can_run(self, row: int) -> bool:
        return bool(self.list.item(row).flags() & Qt.ItemFlag.ItemIsEnabled)

    def _next_enabled(self, row: int, step: int) -> int:
        """The nearest row that can run, from `row` in the direction of `step`; `row` itself when there is none."""
        count = self.list.count()
        if count == 0:
            return -1
        direction = 1 if step > 0 else -1
        target = max(0, min(count - 1, row + step))
        onward, back = range(target, count if direction > 0 else -1, direction), range(target, row, -direction)
        return next((at for at in (*onward, *back) if self._can_run(at)), row)

    def _run_current(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self._run(item)

    def _run(self, item: QListWidgetItem) -> None:
        if item.flags() & Qt.ItemFlag.ItemIsEnabled:
            command: Command = item.data(Qt.ItemDataRole.UserRole)
            self.close()
            self._commands.run(command.id)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and event.key() in _MOVES:
            self.list.setCurrentRow(self._next_enabled(self.list.currentRow(), _MOVES[Qt.Key(event.key())]))
            return True
        return super().eventFilter(watched, event)
