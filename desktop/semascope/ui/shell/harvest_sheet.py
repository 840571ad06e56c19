"""Starts a harvest: which corpus, how much of it, in what pieces, to where. Says what it costs before it begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.shell.file_dialogs import TEXT, ask_files, ask_folder
from semascope.ui.shell.harvest_plan import Plan, cost, problem
from semascope.ui.shell.sheet import Sheet
from semascope.ui.widgets.number_field import number_field

_AMOUNTS = (
    ("Everything", None),
    ("100,000", 100_000),
    ("500,000", 500_000),
    ("1 million", 10**6),
    ("10 million", 10**7),
)
_SETTLE = 200  # milliseconds between the last letter typed and the sum


class HarvestSheet(Sheet):
    """Calls `on_plan(plan)` when a person starts it."""

    def __init__(
        self, parent: QWidget, workspace: Workspace, rate: float | None, on_plan: Callable[[Plan], object]
    ) -> None:
        super().__init__("Harvest a corpus", "Start", parent)
        self.setObjectName("harvestSheet")
        self._workspace, self._rate, self._on_plan = workspace, rate, on_plan
        self.corpus, self.out = QLineEdit(), QLineEdit()
        self.corpus.setPlaceholderText("Files or folders, parted by semicolons")
        self.out.setPlaceholderText("A new folder")
        files, folder, place = QPushButton("Files…"), QPushButton("Folder…"), QPushButton("Choose…")
        files.clicked.connect(lambda: ask_files(self, "Choose a corpus", TEXT, self.take_corpus))
        folder.clicked.connect(lambda: ask_folder(self, "Choose a folder of text", lambda p: self.take_corpus([p])))
        place.clicked.connect(lambda: ask_folder(self, "Where to keep the harvest", self._take_place))
        self.tokens = QComboBox()
        for words, amount in _AMOUNTS:
            self.tokens.addItem(words, amount)
        self.context = number_field(1, 1 << 20, 128, suffix=" tokens")
        self.context.setSingleStep(32)
        self.row("Corpus", self.corpus, files, folder)
        self.row("Read at most", self.tokens)
        self.row("Context", self.context)
        self.row("Keep it in", self.out, place)
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE)
        self._timer.timeout.connect(self._judge)
        for signal in (self.corpus.textChanged, self.out.textChanged, self.context.valueChanged):
            signal.connect(self._later)
        self.tokens.currentIndexChanged.connect(self._later)
        workspace.engine_changed.connect(self._later)
        self.corpus.setFocus()
        self._judge()

    def plan(self) -> Plan:
        """What the form says."""
        corpus = tuple(Path(part.strip()).expanduser() for part in self.corpus.text().split(";") if part.strip())
        out = self.out.text().strip()
        return Plan(corpus, self.tokens.currentData(), self.context.value(), Path(out).expanduser() if out else None)

    def take_corpus(self, paths: list[Path]) -> None:
        """Put these files or folders in, and propose a place beside them."""
        self.corpus.setText("; ".join(str(path) for path in paths))
        if not self.out.text():
            first = paths[0]
            self.out.setText(str(first.parent / f"{first.stem} harvest"))

    def accept(self) -> None:
        if not self._judge():
            plan = self.plan()
            super().accept()
            self._on_plan(plan)

    def _take_place(self, folder: Path) -> None:
        corpus = self.plan().corpus
        self.out.setText(str(folder / f"{corpus[0].stem if corpus else 'corpus'} harvest"))

    def _later(self) -> None:
        self.go.setEnabled(False)
        self._timer.start()

    def _judge(self) -> str:
        plan, sae = self.plan(), self._workspace.sae_info
        found = problem(plan, self._workspace.model_info, sae)
        self.judge(found, cost(plan, sae, self._rate) if not found and sae else "", unfinished=not plan.corpus)
        return found
