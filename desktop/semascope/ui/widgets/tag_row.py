"""A feature's tags as chips, and the place to add one. A click on a tag takes it away."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from semascope.ui.widgets.editable_line import EditableLine
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_tooltip


class TagRow(QWidget):
    """Chips in as many rows as they need.

    Signals:
        changed: the tags as they are now, a tuple.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tags: tuple[str, ...] = ()
        self._flow = FlowLayout(self, across=6, down=4)
        self.show_tags(())

    def show_tags(self, tags: tuple[str, ...]) -> None:
        """Show these."""
        self._tags = tags
        self._flow.clear()
        for tag in tags:
            chip = self._chip(tag.replace("&", "&&"))
            chip.setToolTip(plain_tooltip(self.tr("Take the tag “{tag}” away").format(tag=tag)))
            chip.setAccessibleName(self.tr("Tag {tag}, press to take it away").format(tag=tag))
            chip.clicked.connect(lambda _=False, tag=tag: self._set(tuple(t for t in self._tags if t != tag)))
        add = self._chip(self.tr("+ tag"))
        add.setProperty("tone", "quiet")
        add.clicked.connect(self.add)
        self.updateGeometry()

    def add(self) -> None:
        """Ask for a new tag, in place."""
        line = EditableLine(self.tr("tag"))
        line.setAccessibleName(self.tr("New tag"))
        line.setMinimumWidth(90)
        line.committed.connect(lambda tag: self._set((*self._tags, tag)))
        line.editingFinished.connect(lambda: self.show_tags(self._tags))
        last = self._flow.takeAt(self._flow.count() - 1)
        if last is not None and (button := last.widget()) is not None:
            button.hide()
            button.deleteLater()
        self._flow.addWidget(line)
        line.show()
        line.edit()

    def _set(self, tags: tuple[str, ...]) -> None:
        self.show_tags(tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip())))
        self.changed.emit(self._tags)

    def _chip(self, words: str) -> QPushButton:
        chip = QPushButton(words)
        chip.setProperty("kind", "tag")
        self._flow.addWidget(chip)
        return chip
