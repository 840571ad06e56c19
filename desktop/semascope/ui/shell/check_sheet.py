"""Checks an SAE (again): on which text, and whether other ways of reading it are tried even though this one looks right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QLineEdit, QPushButton, QWidget

from semascope.ui.shell.file_dialogs import TEXT, ask_files, ask_folder
from semascope.ui.shell.sheet import Sheet

OnCheck = Callable[[tuple[Path, ...], bool | None], object]


class CheckSheet(Sheet):
    """Calls `on_check(corpus, alternatives)`; an empty corpus is what is at hand.

    Args:
        parent: The window.
        at_hand: What that is, in words.
        on_check: Checks it.
    """

    def __init__(self, parent: QWidget, at_hand: str, on_check: OnCheck) -> None:
        super().__init__("Check how the SAE is read", "Check", parent)
        self.setObjectName("checkSheet")
        self._on_check = on_check
        self.corpus = QLineEdit(placeholderText=at_hand)
        self.try_all = QCheckBox("Try other ways of reading it in any case")
        self.try_all.setToolTip("Otherwise only where this one does not look right.")
        files, folder = QPushButton("Files…"), QPushButton("Folder…")
        files.clicked.connect(lambda: ask_files(self, "Choose text to check it on", TEXT, self._take))
        folder.clicked.connect(lambda: ask_folder(self, "Choose a folder of text", lambda path: self._take([path])))
        self.row("Text", self.corpus, files, folder)
        self.form.addRow("", self.try_all)
        self.corpus.textChanged.connect(self._judge)
        self.corpus.setFocus()
        self._judge()

    @property
    def paths(self) -> tuple[Path, ...]:
        """What the field says."""
        return tuple(Path(part.strip()).expanduser() for part in self.corpus.text().split(";") if part.strip())

    def accept(self) -> None:
        paths, every = self.paths, True if self.try_all.isChecked() else None
        super().accept()
        self._on_check(paths, every)

    def _take(self, paths: list[Path]) -> None:
        self.corpus.setText("; ".join(map(str, paths)))

    def _judge(self) -> None:
        gone = next((path for path in self.paths if not path.exists()), None)
        if gone is not None:
            self.judge(f"There is nothing at {gone}.")
        else:
            self.judge("", "It is run on a few thousand tokens, in the background: a few seconds for a small model.")
