"""The head of the feature page: the way back and forward, number, label, tags, pin, notes. Emits what a person changes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from semascope.ui.commands.registry import Commands
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.editable_line import EditableLine
from semascope.ui.widgets.notes_field import NotesField
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.tag_row import TagRow

_WAYS = (
    ("feature.back", "←", "Back"),
    ("feature.forward", "→", "Forward"),
    ("features.previous", "↑", "Previous in the list"),
    ("features.next", "↓", "Next in the list"),
)


class Heading(QWidget):
    """What a person changes is told with the feature it was shown for, which may no longer be the selected one.

    Signals:
        label_changed: feature, label.
        tags_changed: feature, tuple of tags.
        notes_changed: feature, notes; while they are typed.
    """

    label_changed = Signal(int, str)
    tags_changed = Signal(int, object)
    notes_changed = Signal(int, str)

    def __init__(self, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._commands = commands
        self._feature = -1
        self.number = plain_label(tone="quiet")
        self.label = EditableLine(self.tr("Add a label"))
        self.label.setAccessibleName(self.tr("Label"))
        self.tags = TagRow()
        self.pin = QPushButton()
        self.pin.setProperty("kind", "tag")
        self.note = QPushButton(self.tr("+ note"))
        self.note.setProperty("kind", "tag")
        self.notes = NotesField(self.tr("Notes"))
        self.ways = {id: self._way(id, sign, words) for id, sign, words in _WAYS}
        self._build()
        self.label.committed.connect(lambda label: self.label_changed.emit(self._feature, label))
        self.tags.changed.connect(lambda tags: self.tags_changed.emit(self._feature, tags))
        self.notes.edited.connect(lambda notes: self.notes_changed.emit(self._feature, notes))
        self.notes.left.connect(lambda: self._show_notes(bool(self.notes.toPlainText())))
        self.note.clicked.connect(self.edit_notes)
        self.pin.clicked.connect(lambda: commands.run("feature.pin"))
        themes().changed.connect(self._restyle)
        self._restyle()

    def show_feature(self, feature: int, label: str, tags: tuple[str, ...], notes: str, pinned: bool) -> None:
        """Show another feature, or this one with other words."""
        if feature != self._feature:
            self.label.commit()  # what is being typed belongs to the feature before
            self._feature = feature
            self.label.show_text(label)
        elif not self.label.isModified():
            self.label.show_text(label)
        self.number.setText(f"#{feature}")
        self.tags.show_tags(tags)
        self.notes.show_text(notes)
        self._show_notes(bool(notes) or self.notes.hasFocus())
        self.pin.setText(self.tr("Unpin") if pinned else self.tr("Pin"))
        self.refresh_ways()

    def refresh_ways(self) -> None:
        """Grey the ways that lead nowhere."""
        for id, button in self.ways.items():
            button.setEnabled(id in self._commands and self._commands[id].enabled())

    def edit_notes(self) -> None:
        """Put the keyboard into the notes."""
        self._show_notes(True)
        self.notes.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _build(self) -> None:
        space = theme().spacing
        top = QHBoxLayout()
        top.setSpacing(space(1))
        top.addWidget(self.number)
        top.addWidget(self.label, 1)
        for button in self.ways.values():
            top.addWidget(button)
        words = QHBoxLayout()
        words.setSpacing(space(2))
        words.addWidget(self.tags, 1)
        words.addWidget(self.note, 0, Qt.AlignmentFlag.AlignTop)
        words.addWidget(self.pin, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(space(2))
        column.addLayout(top)
        column.addLayout(words)
        column.addWidget(self.notes)

    def _way(self, id: str, sign: str, words: str) -> QPushButton:
        button = QPushButton(sign)
        button.setProperty("kind", "quiet")
        button.setToolTip(words)
        button.setAccessibleName(words)
        button.clicked.connect(lambda: self._commands.run(id))
        return button

    def _show_notes(self, shown: bool) -> None:
        self.notes.setVisible(shown)
        self.note.setVisible(not shown)

    def _restyle(self) -> None:
        self.label.setFont(theme().title())
        number = theme().title()
        number.setWeight(number.Weight.Normal)
        self.number.setFont(number)
