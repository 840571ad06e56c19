"""Asks for a folder or a file: system dialogs offer one or the other, SAEs come as both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget

from semascope.core.foreign.parts import is_there
from semascope.ui.shell.file_dialogs import ask_file, ask_folder
from semascope.ui.shell.sheet import Sheet

_KINDS = "Weights and settings (*.safetensors *.npz *.pt *.pth *.bin *.json *.yaml *.yml)"


class PathSheet(Sheet):
    """Calls `on_path(path)` with what is there.

    Args:
        title: What is asked for.
        accept: The word on the button.
        help: A sentence, shown until there is something to judge.
    """

    def __init__(self, parent: QWidget, title: str, accept: str, help: str, on_path: Callable[[Path], object]) -> None:
        super().__init__(title, accept, parent)
        self.setObjectName("pathSheet")
        self._help, self._on_path = help, on_path
        self.path = QLineEdit(placeholderText="A folder, or a file of weights")
        folder, file = QPushButton("Folder…"), QPushButton("File…")
        folder.clicked.connect(lambda: ask_folder(self, f"{title}: a folder", self._take))
        file.clicked.connect(lambda: ask_file(self, f"{title}: a file", _KINDS, self._take))
        self.row("SAE", self.path, folder, file)
        self.path.textChanged.connect(self._judge)
        self.path.setFocus()
        self._judge()

    def accept(self) -> None:
        path = Path(self.path.text().strip()).expanduser()
        super().accept()
        self._on_path(path)

    def _take(self, path: Path) -> None:
        self.path.setText(str(path))

    def _judge(self) -> None:
        text = self.path.text().strip()
        if not text:
            self.judge("", self._help, unfinished=True)
        elif not is_there(Path(text).expanduser()):
            self.judge(f"There is nothing at {text}.")
        else:
            self.judge("", self._help)
