"""The card that says whether an SAE is read correctly: verdict, figures, what was found, and how else it might be read.

✓ Read correctly
0.87 explained variance   54.2 active (49 stated)   3 % dead
Read as                        Explained      L0
As its files say                    0.31   210.0
At resid_pre.8, centred             0.97    54.2   recommended
[Use this reading]  [Check again]
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from semascope.core.saes.checked import Check
from semascope.core.saes.reading import Reading
from semascope.state.checking import CheckState
from semascope.ui.shell import check_words as words
from semascope.ui.theme import theme
from semascope.ui.widgets.figures import Figure, Figures
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.verdict_mark import VerdictMark

_MOST_SHOWN = 6  # alternatives, and sentences


class CheckCard(QFrame):
    """Shows the state it was given last.

    Args:
        on_reading: Read the SAE like this from now on.
        on_check: Check it (again).
    """

    def __init__(
        self,
        on_reading: Callable[[Reading], object],
        on_check: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("checkCard")
        self._on_reading = on_reading
        self._reading = Reading()
        self.mark, self.verdict = VerdictMark(), plain_label()
        self.verdict.setWordWrap(True)
        self.verdict.setProperty("weight", "strong")
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._figures = Figures()
        self._bar = QProgressBar(textVisible=False)
        self._bar.setAccessibleName("Progress of the check")
        self._basis = plain_label(tone="quiet", size="small")
        self._basis.setWordWrap(True)
        self._sentences = QVBoxLayout()
        self._sentences.setSpacing(theme().spacing(1))
        self._table = QWidget(self)
        self.use = QPushButton("Use this reading")
        self.use.setProperty("kind", "primary")
        self.use.clicked.connect(lambda: self._on_reading(self._reading))
        self.again = QPushButton("Check it")
        self.again.clicked.connect(lambda: on_check())
        head = QHBoxLayout()
        head.setSpacing(theme().spacing(2))
        head.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(self.verdict, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme().spacing(2))
        buttons.addWidget(self.use)
        buttons.addWidget(self.again)
        buttons.addStretch()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(*[theme().spacing(3)] * 4)
        self._column.setSpacing(theme().spacing(2))
        self._column.addLayout(head)
        self._column.addWidget(self._bar)
        self._column.addWidget(self._figures)
        self._column.addLayout(self._sentences)
        self._column.addWidget(self._table)
        self._column.addWidget(self._basis)
        self._column.addLayout(buttons)

    def show_state(self, state: CheckState, has_model: bool, *, knows_place: bool = True, made_for: str = "") -> None:
        """Show how far a check is, and what it found.

        Args:
            state: The check.
            has_model: Whether a model is open.
            knows_place: Whether it is known where the SAE reads.
            made_for: The name of the model it was made for, or "".
        """
        check = state.check
        self.mark.show_sign(words.sign(state))
        self._say(words.verdict(state, has_model, knows_place), words.sign(state))
        self._bar.setVisible(state.stage == "running")
        self._bar.setRange(0, 0 if state.fraction is None else 1000)
        self._bar.setValue(round(1000 * (state.fraction or 0)))
        self._figures.setVisible(check is not None)
        self._figures.show_figures(figures(check) if check else ())
        self._say_all(_found(state, has_model, made_for))
        self._tabulate(check)
        self._basis.setText(words.basis(check) if check else "")
        self._basis.setVisible(check is not None)
        recommended = check.recommended if check else None
        self._reading = recommended or Reading()
        self.use.setVisible(recommended is not None)
        self.use.setToolTip(words.reading_name(self._reading))
        self.again.setText("Check again…" if check else "Check it…")
        self.again.setVisible(has_model and state.stage != "running")
        self.updateGeometry()

    def _say(self, text: str, sign: str) -> None:
        self.verdict.setText(text)
        self.verdict.setProperty("tone", sign if sign in ("good", "doubt", "error") else "")
        self.verdict.style().unpolish(self.verdict)
        self.verdict.style().polish(self.verdict)
        self.setAccessibleName(text)

    def _say_all(self, sentences: list[str]) -> None:
        while (item := self._sentences.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
                widget.hide()
        for sentence in sentences:
            label = plain_label(sentence)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self._sentences.addWidget(label)
        self.setAccessibleDescription(" ".join(sentences))

    def _tabulate(self, check: Check | None) -> None:
        """The table of readings, in a widget of its own that is replaced whole."""
        table = alternatives(check, self) if check is not None and check.alternatives else QWidget(self)
        self._column.replaceWidget(self._table, table)
        self._table.hide()
        self._table.deleteLater()
        table.setVisible(check is not None and bool(check.alternatives))
        self._table = table


def _found(state: CheckState, has_model: bool, made_for: str) -> list[str]:
    """What there is to say below the verdict."""
    if state.check is not None:
        return list(state.check.sentences[:_MOST_SHOWN])
    if state.why:
        return [state.why]
    if not has_model and state.stage == "unchecked":
        name = f" ({made_for})" if made_for else ""
        return [f"Once the model it was made for{name} is open, it is run on a few thousand tokens by itself."]
    return []


def figures(check: Check) -> list[Figure]:
    """Explained variance, active features and dead share."""
    stated = "" if check.l0_stated is None else f", {check.l0_stated:,g} stated"
    return [
        Figure(
            words.share(check.explained),
            "explained variance",
            "1 is a perfect reconstruction; 0 is no better than the mean activation.",
        ),
        Figure(
            words.amount(check.l0),
            f"active features a token{stated}",
            "L0: how many features are above zero on a token, on average.",
        ),
        Figure(
            words.percent(check.dead_share),
            "never active here",
            f"The share of features that fired on none of the {check.tokens:,} tokens. Many fire more rarely than that.",
        ),
    ]


def alternatives(check: Check, parent: QWidget) -> QWidget:
    """A small table: how it is read now, and the best of how else it might be."""
    table = QWidget(parent)
    table.setAccessibleName("Other ways of reading it")
    grid = QGridLayout(table)
    grid.setContentsMargins(0, theme().spacing(1), 0, theme().spacing(1))
    grid.setHorizontalSpacing(theme().spacing(4))
    grid.setVerticalSpacing(theme().spacing(1))
    grid.setColumnStretch(0, 1)
    for column, title in enumerate(("Read", "Explained", "L0", "")):
        grid.addWidget(_cell(title, right=column in (1, 2), tone="quiet", size="small"), 0, column)
    rows = [(words.reading_name(check.reading), check.explained, check.l0, "now", False)]
    for each in check.alternatives[:_MOST_SHOWN]:
        best = each.reading == check.recommended
        rows.append((words.alternative_name(each), each.explained, each.l0, "recommended" if best else "", best))
    for row, (name, explained, l0, remark, strong) in enumerate(rows, 1):
        cells = (name, words.share(explained), words.amount(l0), remark)
        for column, text in enumerate(cells):
            tone = "quiet" if column == 3 else ""
            cell = _cell(text, right=column in (1, 2), strong=strong, tone=tone)
            cell.setAccessibleName(
                f"{name}: explained {cells[1]}, L0 {cells[2]} {remark}".strip() if column == 0 else text
            )
            grid.addWidget(cell, row, column)
    return table


def _cell(text: str, *, right: bool = False, strong: bool = False, tone: str = "", size: str = "") -> QWidget:
    label = plain_label(text, tone=tone, size=size)
    if not size:
        font = theme().tabular() if right else theme().ui()
        font.setWeight(QFont.Weight.DemiBold if strong else QFont.Weight.Normal)
        label.setFont(font)
    label.setWordWrap(not right and bool(text))
    label.setAlignment(
        (Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft) | Qt.AlignmentFlag.AlignTop
    )
    return label
