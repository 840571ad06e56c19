"""One part of an SAE in the sheet that maps tensors: which tensor it is, and, of a matrix, which way round it is stored."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from semascope.core.saes.formats.layout import Stored
from semascope.core.saes.tensor_map import ROLES
from semascope.ui.theme import theme

_LETTERS = {"m": "m", "d_in": "d", "d_out": "d"}


class TensorRow(QWidget):
    """Two combos: a tensor (or none), and its axes.

    Args:
        role: One of `tensor_map.ROLES`.
        none: What the entry without a tensor says.

    Signals:
        changed: another tensor, or other axes.
    """

    changed = Signal()

    def __init__(self, role: str, none: str = "none") -> None:
        super().__init__()
        self.role = role
        self.tensor, self.axes = QComboBox(), QComboBox()
        self.tensor.setMinimumContentsLength(18)
        self.tensor.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._none = none
        words = f"{role}, {ROLES[role].words}"
        self.tensor.setAccessibleName(words)
        self.axes.setAccessibleName(f"{role}: which way round it is stored")
        ours = ROLES[role].axes
        if len(ours) == 2:
            for axes in (ours, ours[::-1]):
                self.axes.addItem(_axes_words(axes), axes)
        across = QHBoxLayout(self)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(theme().spacing(2))
        across.addWidget(self.tensor, 1)
        across.addWidget(self.axes)
        self.axes.setVisible(len(ours) == 2)
        self.setFocusProxy(self.tensor)
        self.tensor.currentIndexChanged.connect(lambda _: self.changed.emit())
        self.axes.currentIndexChanged.connect(lambda _: self.changed.emit())

    @property
    def stored(self) -> Stored | None:
        """The tensor chosen, with the axes shown; None for none."""
        chosen = self.tensor.currentData()
        if chosen is None:
            return None
        name, file = chosen
        axes = self.axes.currentData() if len(ROLES[self.role].axes) == 2 else ()
        return Stored(name, tuple(axes), file)

    def offer(self, candidates: Sequence[Stored], shapes: Sequence[tuple[int, ...]]) -> None:
        """Offer these tensors, of these shapes."""
        self.tensor.blockSignals(True)
        self.tensor.clear()
        self.tensor.addItem(self._none, None)
        for stored, shape in zip(candidates, shapes, strict=True):
            where = f" in {stored.file}" if stored.file else ""
            self.tensor.addItem(f"{stored.name}{where}  {_shape_words(shape)}", (stored.name, stored.file))
        self.tensor.blockSignals(False)

    def choose(self, stored: Stored | None) -> None:
        """Show this tensor, without telling anybody."""
        self.blockSignals(True)
        place = 0
        if stored is not None:
            pairs = [self.tensor.itemData(i) for i in range(self.tensor.count())]
            place = pairs.index((stored.name, stored.file)) if (stored.name, stored.file) in pairs else 0
            self.show_axes(stored.axes, free=True)
        self.tensor.setCurrentIndex(place)
        self.blockSignals(False)

    def show_axes(self, axes: tuple[str, ...], free: bool) -> None:
        """Show which way round it is stored; `free` where the shape leaves that to a person."""
        self.axes.blockSignals(True)
        known = [tuple(self.axes.itemData(i)) for i in range(self.axes.count())]
        if tuple(axes) in known:
            self.axes.setCurrentIndex(known.index(tuple(axes)))
        self.axes.blockSignals(False)
        self.axes.setEnabled(free and self.tensor.currentData() is not None)
        self.axes.setToolTip(
            "Its shape leaves open which axis is which." if free else "Its shape says which axis is which."
        )


def _shape_words(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{length:,}" for length in shape) or "one number"


def _axes_words(axes: tuple[str, ...]) -> str:
    if axes == ("d_in", "d_out"):
        return "reads × gives"
    if axes == ("d_out", "d_in"):
        return "gives × reads"
    return " × ".join(_LETTERS[axis] for axis in axes)
