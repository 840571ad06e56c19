"""Says a hook point: a site and a layer to choose, or, where there are several places, a line to write."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QWidget

from semascope.core.errors import UserError
from semascope.core.models.hookpoint import SITES, TOWERS, Hooks, hooks_text, parse_hooks
from semascope.ui.theme import theme
from semascope.ui.widgets.number_field import number_field


class HookField(QWidget):
    """One hook point, or none.

    Args:
        none: What the first entry says, which is no hook point ("As its files say").
        layers: How many layers the model has, or None.
        several: Whether more than one place may be meant; then it is a line of text.

    Signals:
        changed: another hook point, or none.
    """

    changed = Signal()

    def __init__(self, none: str, layers: int | None = None, several: bool = False) -> None:
        super().__init__()
        self.site, self.line = QComboBox(), QLineEdit()
        self.layer = number_field(0, (layers or 1000) - 1, prefix="layer ")
        self.site.addItem(none, "")
        for tower in TOWERS:
            for site, words in SITES.items():
                name = f"{tower}.{site}" if tower else site
                self.site.addItem(name, name)
                self.site.setItemData(self.site.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
        self.line.setPlaceholderText(f"{none}; for instance resid_post.0-11, or resid_post.5,resid_post.9")
        self.site.setAccessibleName("Site")
        self.layer.setAccessibleName("Layer")
        self._several = several
        across = QHBoxLayout(self)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(theme().spacing(2))
        across.addWidget(self.site, 1)
        across.addWidget(self.layer)
        across.addWidget(self.line, 1)
        self.site.setVisible(not several)
        self.line.setVisible(several)
        self.setFocusProxy(self.line if several else self.site)
        self.site.currentIndexChanged.connect(self._on_site)
        self.layer.valueChanged.connect(lambda _: self.changed.emit())
        self.line.textChanged.connect(lambda _: self.changed.emit())
        self._on_site()

    def set_names(self, words: str) -> None:
        """Name its parts for those who can't see the label."""
        self.setAccessibleName(words)
        self.site.setAccessibleName(words)
        self.line.setAccessibleName(words)
        self.layer.setAccessibleName(f"{words}: layer")

    @property
    def hooks(self) -> Hooks:
        """What it says; () for none.

        Raises:
            UserError: What is written is no hook point.
        """
        if self._several:
            return parse_hooks(self.line.text()) if self.line.text().strip() else ()
        site = self.site.currentData()
        return parse_hooks(f"{site}.{self.layer.value()}") if site else ()

    @property
    def text(self) -> str:
        """The same as text; "" also for what is no hook point."""
        try:
            return hooks_text(self.hooks)
        except UserError:
            return ""

    def show_text(self, text: str) -> None:
        """Say this hook point; one that can't be said is none."""
        self.line.setText(text)
        site, _, layer = text.rpartition(".")
        place = self.site.findData(site)
        if not self._several and place > 0 and layer.isdecimal():
            self.layer.setValue(int(layer))
            self.site.setCurrentIndex(place)

    def _on_site(self) -> None:
        self.layer.setVisible(not self._several and bool(self.site.currentData()))
        self.changed.emit()
