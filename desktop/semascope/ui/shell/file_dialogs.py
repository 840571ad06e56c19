"""Asks for a file or a folder, without stopping the program: the answer comes as a call.

Every dialog remembers its folder by what it is for. References are kept while a dialog is open.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QWidget

TEXT = "Text (*.txt *.md *.jsonl *.json *.csv *.tsv *.parquet)"
"""The kinds of files that a corpus is made of."""

_last_folder: dict[str, str] = {}


def ask_folder(parent: QWidget, title: str, on_path: Callable[[Path], object]) -> QFileDialog:
    """Ask for a folder that exists."""
    return _ask(parent, title, QFileDialog.FileMode.Directory, "", lambda paths: on_path(paths[0]))


def ask_file(parent: QWidget, title: str, kinds: str, on_path: Callable[[Path], object]) -> QFileDialog:
    """Ask for a file that exists; `kinds` as "Sessions (*.semascope)"."""
    return _ask(parent, title, QFileDialog.FileMode.ExistingFile, kinds, lambda paths: on_path(paths[0]))


def ask_files(parent: QWidget, title: str, kinds: str, on_paths: Callable[[list[Path]], object]) -> QFileDialog:
    """Ask for files that exist."""
    return _ask(parent, title, QFileDialog.FileMode.ExistingFiles, kinds, on_paths)


def ask_new_file(
    parent: QWidget, title: str, kinds: str, suffix: str, on_path: Callable[[Path], object]
) -> QFileDialog:
    """Ask where to save; the system's dialog asks before it replaces."""
    dialog = _ask(parent, title, QFileDialog.FileMode.AnyFile, kinds, lambda paths: on_path(paths[0]))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)
    return dialog


def _ask(
    parent: QWidget,
    title: str,
    mode: QFileDialog.FileMode,
    kinds: str,
    on_paths: Callable[[list[Path]], object],
) -> QFileDialog:
    dialog = QFileDialog(parent, title)
    dialog.setObjectName("fileDialog")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(mode)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, mode == QFileDialog.FileMode.Directory)
    if kinds:
        dialog.setNameFilters([kinds, "All files (*)"])
    if title in _last_folder:
        dialog.setDirectory(_last_folder[title])

    def chosen(files: list[str]) -> None:
        if files:
            _last_folder[title] = str(Path(files[0]).parent)
            on_paths([Path(file) for file in files])

    dialog.filesSelected.connect(chosen)
    dialog.open()
    return dialog
