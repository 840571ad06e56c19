"""Files and folders that appear whole or not at all: written beside their final name, synced, then renamed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder; when the block ends well it replaces `path`, otherwise it is removed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        sync(beside)
        os.replace(beside, path)
        sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A fresh folder beside `path`; when the block ends well it becomes `path` (which must not exist or be empty)."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        publish_folder(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def publish_folder(beside: Path, path: Path) -> None:
    """Rename a finished folder to its final name, every file of it on the disk first."""
    for file in beside.rglob("*"):
        if file.is_file():
            sync(file)
    if path.is_dir():
        path.rmdir()  # only an empty folder gives way
    os.replace(beside, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder's entries to the disk, where the platform can."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
