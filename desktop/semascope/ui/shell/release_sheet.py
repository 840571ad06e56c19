"""Chooses SAEs from a release: a folder of many, listed as a tree while the disk is still being looked through.

The looking is done on the disk pool, a quarter of a second at a time, so that the window never waits and closing the sheet
ends it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from semascope.core.saes.release import Found, scan
from semascope.state.workspace import Workspace
from semascope.ui.shell import words
from semascope.ui.shell.release_tree import By, Key, branches, cells, matches
from semascope.ui.shell.sheet import Sheet
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label, plain_tooltip
from semascope.ui.widgets.segments import Segments

_TURN = 0.25  # seconds of looking between two deliveries
_SETTLE = 150  # milliseconds between the last letter of the filter and its effect
_FEW = 60  # so many are shown unfolded
_TITLES = ("SAE", "Kind", "Reads", "Features", "L0", "Memory")
_WIDTHS = (0, 250, 170, 80, 60, 80)
_RIGHT = (3, 4, 5)
_AT_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_FOUND = int(Qt.ItemDataRole.UserRole)


class ReleaseSheet(Sheet):
    """Calls `on_paths(paths)` with what was chosen.

    Args:
        parent: The window.
        workspace: Its disk pool looks.
        folder: The release.
        on_paths: Opens them.
    """

    def __init__(
        self, parent: QWidget, workspace: Workspace, folder: Path, on_paths: Callable[[list[Path]], object]
    ) -> None:
        super().__init__("Choose from this release", "Open", parent)
        self.setObjectName("releaseSheet")
        self._workspace, self._folder, self._on_paths = workspace, folder, on_paths
        self._scan: Iterator[Found | None] = iter(())
        self.found: list[Found] = []
        self._folders, self._looking, self._over = 0, True, False
        self.filter = QLineEdit(
            placeholderText="Filter: words of the path, kind or hook point", clearButtonEnabled=True
        )
        self.filter.setAccessibleName("Filter the list")
        self.by = Segments((("By hook point", "Site, then layer"), ("By folder", "As they lie on the disk")), "Order")
        self.tree = _tree()
        self._nodes = _Nodes(self.tree)
        top = QHBoxLayout()
        top.addWidget(self.filter, 1)
        top.addWidget(self.by)
        where = plain_label(str(folder), tone="quiet", size="small")
        where.setWordWrap(True)
        whole = self.layout()
        assert isinstance(whole, QVBoxLayout)
        whole.insertWidget(0, where)
        whole.insertLayout(1, top)
        whole.insertWidget(2, self.tree, 1)
        self._timer = QTimer(self, singleShot=True, interval=_SETTLE)
        self._timer.timeout.connect(self._filter)
        self.filter.textChanged.connect(lambda _: self._timer.start())
        self.by.chosen.connect(lambda _: self._rebuild())
        self.tree.itemSelectionChanged.connect(self._judge)
        self.tree.itemActivated.connect(self._activated)
        self.fit_to(1040, 640)
        self.filter.setFocus()
        self._judge()
        self._look()

    @property
    def chosen(self) -> list[Found]:
        """What is selected, in the order shown."""
        found = [item.data(0, _FOUND) for item in self.tree.selectedItems()]
        return [each for each in found if isinstance(each, Found)]

    def accept(self) -> None:
        paths = [each.path for each in self.chosen]
        if paths:
            super().accept()
            self._on_paths(paths)

    def done(self, result: int) -> None:
        self._over = True
        super().done(result)

    # --- looking ------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Ask for the next piece."""
        if not self._over:
            self._workspace.bridge.read(self._next, self._arrived, self._failed)

    def _next(self) -> tuple[list[Found], int, bool]:
        """On the disk pool: what a quarter of a second finds, how many folders that was, whether there are more."""
        if not self._folders:
            self._scan = scan(self._folder)
        found, folders, end = [], 0, time.monotonic() + _TURN
        for each in self._scan:
            if each is not None:
                found.append(each)
                continue
            folders += 1
            if self._over or time.monotonic() > end:
                return found, folders, not self._over
        return found, folders, False

    def _arrived(self, piece: tuple[list[Found], int, bool]) -> None:
        found, folders, more = piece
        self._folders += folders
        self.found += found
        self._looking = more
        text = self.filter.text()
        for each in found:
            self._nodes.add(each, self._order, shown=matches(each, text))
        if len(self.found) <= _FEW:
            self.tree.expandAll()
        self._judge()
        if more:
            self._look()

    def _failed(self, error: Any) -> None:
        self._looking = False
        self.judge(str(getattr(error, "sentence", error)))

    # --- showing ------------------------------------------------------------------------------------------------

    @property
    def _order(self) -> By:
        return "hook" if self.by.choice == 0 else "folder"

    def _rebuild(self) -> None:
        chosen = {each.path for each in self.chosen}
        text = self.filter.text()
        self._nodes.clear()
        for each in self.found:
            item = self._nodes.add(each, self._order, shown=matches(each, text))
            if each.path in chosen:
                item.setSelected(True)
        if len(self.found) <= _FEW or text:
            self.tree.expandAll()
        self._judge()

    def _filter(self) -> None:
        text = self.filter.text()
        self._nodes.show_only(lambda found: matches(found, text))
        if text:
            self.tree.expandAll()
        self._judge()

    def _activated(self, item: QTreeWidgetItem, _: int) -> None:
        if isinstance(item.data(0, _FOUND), Found) and self.go.isEnabled():
            self.accept()

    def _judge(self) -> None:
        chosen = self.chosen
        self.go.setText("Open" if len(chosen) < 2 else f"Open {len(chosen)}")
        if self._looking:
            so_far = f"Looking… {self._folders:,} folders, {len(self.found):,} SAEs so far."
        elif not self.found:
            so_far = "There is no SAE of any known release in this folder."
        else:
            so_far = f"{len(self.found):,} SAEs. Choose one, or several with Ctrl or Shift."
        if not chosen:
            self.judge("", so_far, unfinished=True)
            return
        memory = words.bytes_(sum(each.bytes for each in chosen))
        self.judge("", f"{len(chosen):,} chosen: {memory} of memory as fp32. {so_far if self._looking else ''}".strip())


class _Nodes:
    """The items of the tree, each in its place among its sisters."""

    def __init__(self, tree: QTreeWidget) -> None:
        self._tree = tree
        self.clear()

    def clear(self) -> None:
        """Take everything out."""
        self._tree.clear()
        self._keys: dict[tuple[Key, ...], list[Key]] = {(): []}
        self._items: dict[tuple[Key, ...], QTreeWidgetItem] = {(): self._tree.invisibleRootItem()}
        self._leaves: list[QTreeWidgetItem] = []

    def add(self, found: Found, by: By, *, shown: bool) -> QTreeWidgetItem:
        """Put an SAE in; the groups above it are made as they are needed."""
        way = branches(found, by)
        above: tuple[Key, ...] = ()
        for branch in way[:-1]:
            here = (*above, (0, *branch.key))
            if here not in self._items:
                item = QTreeWidgetItem([branch.name])
                item.setSizeHint(0, QSize(0, theme().row))
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
                self._insert(above, here, item)
            above = here
        said = [way[-1].name, *cells(found)]
        leaf = QTreeWidgetItem(said)
        leaf.setSizeHint(0, QSize(0, theme().row))
        leaf.setData(0, _FOUND, found)
        leaf.setToolTip(0, plain_tooltip(found.problem or str(found.path)))
        leaf.setData(0, Qt.ItemDataRole.AccessibleTextRole, " ".join(said))
        for column in _RIGHT:
            leaf.setTextAlignment(column, _AT_RIGHT)
        if found.problem:
            leaf.setFlags(Qt.ItemFlag.NoItemFlags)
        self._insert(above, (*above, (1, *way[-1].key, str(found.path))), leaf)
        self._leaves.append(leaf)
        if not shown:
            leaf.setHidden(True)
            self._hide_empty(leaf.parent())
        else:
            _show_above(leaf)
        return leaf

    def show_only(self, wanted: Callable[[Found], bool]) -> None:
        """Hide what is not wanted, and groups of which nothing is left."""
        for leaf in self._leaves:
            leaf.setHidden(not wanted(leaf.data(0, _FOUND)))
            if leaf.isHidden():
                leaf.setSelected(False)
        for path, item in sorted(self._items.items(), key=lambda pair: -len(pair[0])):
            if path:
                item.setHidden(_empty(item))

    def _insert(self, above: tuple[Key, ...], here: tuple[Key, ...], item: QTreeWidgetItem) -> None:
        keys = self._keys.setdefault(above, [])
        place = bisect_left(keys, here[-1])
        keys.insert(place, here[-1])
        self._items[above].insertChild(place, item)
        if here[-1][0] == 0:
            self._items[here] = item

    def _hide_empty(self, item: QTreeWidgetItem | None) -> None:
        while item is not None:
            item.setHidden(_empty(item))
            item = item.parent()


def _empty(item: QTreeWidgetItem) -> bool:
    """Whether all below an item is hidden."""
    below = (item.child(place) for place in range(item.childCount()))
    return all(child is None or child.isHidden() for child in below)


def _show_above(item: QTreeWidgetItem) -> None:
    above = item.parent()
    while above is not None:
        above.setHidden(False)
        above = above.parent()


def _tree() -> QTreeWidget:
    tree = QTreeWidget()
    tree.setObjectName("releaseTree")
    tree.setAccessibleName("SAEs of this release")
    tree.setColumnCount(len(_TITLES))
    tree.setHeaderLabels(list(_TITLES))
    tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    tree.setUniformRowHeights(True)
    tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    tree.setFrameShape(QTreeWidget.Shape.NoFrame)
    header = tree.header()
    header.setStretchLastSection(False)
    header.setSectionsMovable(False)
    header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    for column, width in enumerate(_WIDTHS):
        if width:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Interactive)
            tree.setColumnWidth(column, round(width * theme().scale))
    for column in _RIGHT:
        tree.headerItem().setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return tree
