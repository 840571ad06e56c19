"""What the window shows while nothing is open: the ways to begin, and what was open lately."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from semascope.state.recent import Recent, RecentList
from semascope.ui.commands.registry import Commands
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.link_row import LinkRow
from semascope.ui.widgets.plain_text import plain_label, plain_tooltip

BEGINNINGS = (
    ("model.open", "Open a model…", "a transformers folder or a GGUF file"),
    ("sae.open", "Open an SAE…", "SAELens, sparsify, Gemma Scope"),
    ("harvest.open", "Open a harvest…", "read features without a model"),
    ("session.open", "Open a session…", "go on where you stopped"),
)
_KINDS = {"model": "model", "sae": "SAE", "harvest": "harvest", "session": "session"}
WIDTH = 620
MOST = 6


class Welcome(QScrollArea):
    """Signals: recent_chosen: a path to open."""

    recent_chosen = Signal(str)

    def __init__(self, commands: Commands, recent: RecentList) -> None:
        super().__init__()
        self._commands, self._recent = commands, recent
        self.setWidgetResizable(True)
        self.setAccessibleName("Welcome")
        self.rebuild()
        themes().changed.connect(self.rebuild)

    def rebuild(self) -> None:
        """Lay the page out anew (the recent list or the theme has changed)."""
        page = QWidget()
        column = QVBoxLayout()
        column.setSpacing(0)
        space = theme().spacing
        title = plain_label("Semascope")
        title.setFont(theme().title())
        column.addWidget(title)
        column.addSpacing(space(1))
        column.addWidget(plain_label("A microscope for the concepts inside a local model.", tone="quiet"))
        column.addSpacing(space(6))
        column.addLayout(self._demo())
        column.addSpacing(space(6))
        column.addWidget(_heading("Begin"))
        for id, words, facts in BEGINNINGS:
            row = LinkRow(words, facts)
            row.clicked.connect(lambda _=False, id=id: self._commands.run(id))
            column.addWidget(row)
        items = self._recent.items()[:MOST]
        if items:
            column.addSpacing(space(6))
            column.addWidget(_heading("Lately"))
            for item in items:
                column.addWidget(self._recent_row(item))
        column.addSpacing(space(6))
        drop = plain_label("Or drop any of them on this window. Nothing leaves this computer.", tone="quiet")
        drop.setWordWrap(True)
        column.addWidget(drop)
        holder = QWidget()
        holder.setLayout(column)
        holder.setMaximumWidth(round(WIDTH * theme().scale))
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(holder, 8)
        across.addStretch(1)
        down = QVBoxLayout(page)
        down.setContentsMargins(*[space(8)] * 4)
        down.addStretch(2)
        down.addLayout(across)
        down.addStretch(3)
        self.setWidget(page)

    def _demo(self) -> QHBoxLayout:
        button = QPushButton("Try the demo")
        button.setProperty("kind", "primary")
        button.clicked.connect(lambda: self._commands.run("session.demo"))
        row = QHBoxLayout()
        row.setSpacing(theme().spacing(3))
        row.addWidget(button)
        row.addWidget(plain_label("a small model, its features and five to play with", tone="quiet"))
        row.addStretch()
        return row

    def _recent_row(self, item: Recent) -> LinkRow:
        row = LinkRow(item.name, _KINDS.get(item.kind, ""))
        row.setToolTip(plain_tooltip(item.path))
        row.clicked.connect(lambda _=False: self.recent_chosen.emit(item.path))
        return row


def _heading(words: str) -> QWidget:
    label = plain_label(words, tone="quiet", size="small")
    label.setContentsMargins(0, 0, 0, theme().spacing(1))
    return label
