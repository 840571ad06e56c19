"""Which dictionary the features are listed of, or all of them: a box above the list, there only when there is a choice."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from semascope.state.dictionaries import OpenDictionary
from semascope.ui.widgets.numbers import count_text
from semascope.ui.widgets.plain_text import plain_tooltip


class DictionarySwitch(QComboBox):
    """A row for each dictionary, and one for all.

    Signals:
        chosen: the key of a dictionary, or "" for all.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Which SAE's features are listed"))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.activated.connect(lambda place: self.chosen.emit(self.itemData(place)))

    def show_dictionaries(self, dictionaries: Sequence[OpenDictionary], current: str, every: bool) -> None:
        """Offer these, the one with the key `current` (or, where `every`, all) being the choice; hide with fewer than two."""
        rows = [
            (words, each.key, _details(each)) for words, each in zip(titles(dictionaries), dictionaries, strict=True)
        ]
        total = count_text(sum(each.harvest.features for each in dictionaries if each.harvest is not None))
        rows.append(
            (self.tr("All · {count}").format(count=total), "", self.tr("The features of all open SAEs in one list"))
        )
        if rows != [self._row(place) for place in range(self.count())]:
            self.clear()
            for place, (words, key, details) in enumerate(rows):
                self.addItem(words, key)
                self.setItemData(place, plain_tooltip(details), Qt.ItemDataRole.ToolTipRole)
                self.setItemData(place, details, Qt.ItemDataRole.AccessibleDescriptionRole)
        self.setCurrentIndex(self.findData("" if every else current))
        self.setToolTip(self.currentData(Qt.ItemDataRole.ToolTipRole) or "")
        self.setVisible(len(dictionaries) > 1)

    def _row(self, place: int) -> tuple[str, str, str]:
        return (
            self.itemText(place),
            self.itemData(place),
            self.itemData(place, Qt.ItemDataRole.AccessibleDescriptionRole),
        )


def titles(dictionaries: Sequence[OpenDictionary]) -> list[str]:
    """What each is called in a list: "resid_post.15 · 8,192", with its name where another is called the same."""
    plain = [f"{each.place} · {count_text(each.features)}" for each in dictionaries]
    return [
        f"{words} · {each.name}" if plain.count(words) > 1 else words
        for words, each in zip(plain, dictionaries, strict=True)
    ]


def _details(dictionary: OpenDictionary) -> str:
    """Its name and format, and what of it is open."""
    sae, harvest = dictionary.sae, dictionary.harvest
    made = harvest.info.get("sae", {}) if harvest is not None else {}
    form = sae.format if sae is not None else str(made.get("format", ""))
    built = sae.architecture if sae is not None else str(made.get("architecture", ""))
    state = "no harvest" if harvest is None else "the SAE is not loaded" if sae is None else ""
    return " · ".join(part for part in (dictionary.name, form, built, state) if part)
