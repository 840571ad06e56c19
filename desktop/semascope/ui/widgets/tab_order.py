"""The order in which Tab visits widgets. Qt goes by the order of their making, which rows that come and go do not keep."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from PySide6.QtWidgets import QWidget


def order_tabs(widgets: Iterable[QWidget]) -> None:
    """Let Tab visit these in this order."""
    for before, after in pairwise(widgets):
        QWidget.setTabOrder(before, after)
