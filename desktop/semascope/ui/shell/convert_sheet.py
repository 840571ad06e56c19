"""Converts an open SAE to a SAELens folder: where to, and in what numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget

from semascope.ui.shell import words
from semascope.ui.shell.file_dialogs import ask_folder
from semascope.ui.shell.reading_sheet import choices
from semascope.ui.shell.sheet import Sheet

OnConvert = Callable[[Path, str], object]


class ConvertSheet(Sheet):
    """Calls `on_convert(folder, dtype)`; dtype "" keeps the numbers as they are stored.

    Args:
        parent: The window.
        name: Of the SAE, for the folder's.
        beside: Where it lies.
        parameters: How many numbers it has.
        on_convert: Converts it.
    """

    def __init__(self, parent: QWidget, name: str, beside: Path, parameters: int, on_convert: OnConvert) -> None:
        super().__init__("Convert to SAELens", "Convert", parent)
        self.setObjectName("convertSheet")
        self._name, self._on_convert = name, on_convert
        self.out = QLineEdit(str(beside / f"{name} saelens"))
        self.dtype = choices(
            [
                ("As they are stored, where that loses nothing", "", "Nothing is lost."),
                (f"fp32, {words.bytes_(4 * parameters)}", "float32", "Nothing is lost."),
                (f"bf16, {words.bytes_(2 * parameters)}", "bfloat16", "Rounded to about three digits."),
            ]
        )
        place = QPushButton("Choose…")
        place.clicked.connect(lambda: ask_folder(self, "Where to put the SAELens folder", self._take))
        self.row("New folder", self.out, place)
        self.row("Numbers", self.dtype)
        self.out.textChanged.connect(self._judge)
        self.out.setFocus()
        self.out.selectAll()
        self._judge()

    def accept(self) -> None:
        out, dtype = Path(self.out.text().strip()).expanduser(), self.dtype.currentData()
        super().accept()
        self._on_convert(out, dtype)

    def _take(self, folder: Path) -> None:
        self.out.setText(str(folder / f"{self._name} saelens"))

    def _judge(self) -> None:
        text = self.out.text().strip()
        out = Path(text).expanduser()
        if not text:
            self.judge("", "Choose a new folder.", unfinished=True)
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            self.judge(f"{out} exists already; choose a new name.")
        elif not out.parent.is_dir():
            self.judge(f"There is no folder {out.parent}.")
        else:
            self.judge("", "One folder with cfg.json and sae_weights.safetensors, which SAELens and Semascope read.")
