"""Opens a model: which one, on what, in what numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QComboBox, QLineEdit, QPushButton, QWidget

from semascope.ui.shell.file_dialogs import ask_file, ask_folder
from semascope.ui.shell.sheet import Sheet

OnModel = Callable[[Path, str, str], object]


class ModelSheet(Sheet):
    """Calls `on_model(path, device, dtype)`; "" is what suits the machine."""

    def __init__(self, parent: QWidget, device: str, dtype: str, on_model: OnModel) -> None:
        super().__init__("Open a model", "Open", parent)
        self.setObjectName("modelSheet")
        self._on_model = on_model
        self.path = QLineEdit()
        self.path.setPlaceholderText("A transformers folder or a GGUF file")
        folder, file = QPushButton("Folder…"), QPushButton("GGUF file…")
        folder.clicked.connect(lambda: ask_folder(self, "Open a model folder", self._take))
        file.clicked.connect(lambda: ask_file(self, "Open a GGUF file", "GGUF models (*.gguf)", self._take))
        self.device, self.dtype = QComboBox(), QComboBox()
        for words, value in _devices():
            self.device.addItem(words, value)
        for words, value in (("What suits the device", ""), ("bf16", "bfloat16"), ("fp32", "float32")):
            self.dtype.addItem(words, value)
        self.device.setCurrentIndex(max(0, self.device.findData(device)))
        self.dtype.setCurrentIndex(max(0, self.dtype.findData(dtype)))
        self.row("Model", self.path, folder, file)
        self.row("Run on", self.device)
        self.row("Numbers", self.dtype)
        self.path.textChanged.connect(self._judge)
        self.path.setFocus()
        self._judge()

    def accept(self) -> None:
        super().accept()
        self._on_model(Path(self.path.text()).expanduser(), self.device.currentData(), self.dtype.currentData())

    def _take(self, path: Path) -> None:
        self.path.setText(str(path))

    def _judge(self) -> None:
        text = self.path.text().strip()
        path = Path(text).expanduser()
        if not text:
            self.judge("", "The model runs on this computer and nowhere else.", unfinished=True)
        elif not path.exists():
            self.judge(f"There is nothing at {path}.")
        elif path.is_dir() and not (path / "config.json").is_file():
            self.judge("This folder has no config.json, so it is not a transformers model.")
        elif path.is_file() and path.suffix.lower() != ".gguf":
            self.judge("A model is a folder or a GGUF file.")
        else:
            self.judge("", "Loading takes a few seconds; the window stays usable.")


def _devices() -> list[tuple[str, str]]:
    """Without importing torch, which knows what is really there; the engine refuses the others in words."""
    gpu = ("Apple GPU", "mps") if sys.platform == "darwin" else ("CUDA GPU", "cuda")
    return [("The fastest device there is", ""), ("CPU", "cpu"), gpu]
