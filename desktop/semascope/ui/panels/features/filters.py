"""The filters of the features panel as a row of chips: each says what it keeps, and is lit while it is on."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QPushButton, QWidget

from semascope.ui.panels.features.query import Query
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.numbers import percent_text

LIMITS = (0.1, 0.02, 0.005, 0.001, 0.0001)
SWITCHES = ("alive", "labelled", "pinned")


class FilterChips(QWidget):
    """alive · labelled · pinned · density <.

    Signals:
        changed: the name of a field of Query, and its new value.
    """

    changed = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        words = {"alive": self.tr("alive"), "labelled": self.tr("labelled"), "pinned": self.tr("pinned")}
        helps = {
            "alive": self.tr("Only features that fired in the harvest"),
            "labelled": self.tr("Only features with a label"),
            "pinned": self.tr("Only pinned features"),
        }
        row = FlowLayout(self, across=6, down=6)
        self.switches = {name: self._chip(words[name], helps[name]) for name in SWITCHES}
        for name, chip in self.switches.items():
            chip.clicked.connect(lambda on, name=name: self.changed.emit(name, on))
            row.addWidget(chip)
        self.density = self._chip("", self.tr("Only features that fire on fewer tokens than this"))
        self.density.clicked.connect(self._choose_density)
        row.addWidget(self.density)

    def show_query(self, query: Query) -> None:
        """Light what is on."""
        for name, chip in self.switches.items():
            chip.setChecked(getattr(query, name))
        limit = query.density_below
        self.density.setChecked(limit is not None)
        self.density.setText(
            self.tr("density") if limit is None else self.tr("density < {limit}").format(limit=percent_text(limit))
        )

    def _chip(self, words: str, help: str) -> QPushButton:
        chip = QPushButton(words)
        chip.setCheckable(True)
        chip.setProperty("kind", "chip")
        chip.setToolTip(help)
        chip.setAccessibleDescription(help)
        return chip

    def _choose_density(self) -> None:
        self.density.setChecked(not self.density.isChecked())  # only a choice changes it
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.addAction(self.tr("Any density"), lambda: self.changed.emit("density_below", None))
        for limit in LIMITS:
            words = self.tr("Below {limit}").format(limit=percent_text(limit))
            menu.addAction(words, partial(self.changed.emit, "density_below", limit))
        menu.popup(self.density.mapToGlobal(self.density.rect().bottomLeft()))
