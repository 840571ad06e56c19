"""The prompt panel: a text above, its tokens with a feature's activation behind them, and what else fires there. Layout only.

What it shows and does is decided by `presenter.py`.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.prompt.commands import add_commands
from semascope.ui.panels.prompt.presenter import Phase, PromptPresenter
from semascope.ui.panels.prompt.strong_list import StrongList
from semascope.ui.theme import theme
from semascope.ui.widgets.activation_scale import ActivationScale
from semascope.ui.widgets.empty_state import EmptyState
from semascope.ui.widgets.error_card import ErrorCard
from semascope.ui.widgets.feature_chip import FeatureChip
from semascope.ui.widgets.feature_name import one_line
from semascope.ui.widgets.flow_layout import FlowLayout
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.prompt_edit import PromptEdit
from semascope.ui.widgets.segments import Segments
from semascope.ui.widgets.stage import Stage
from semascope.ui.widgets.tab_order import order_tabs
from semascope.ui.widgets.token_view import TokenView

CHAT_HELP = "Read it as a user's message, written as the model's own chat template writes it"
NO_CHAT = "The open model has no chat template"
LEAST = 120  # pixels that chips, heatmap and scale have at least
MOST = 0.6  # of the height that the heatmap takes by itself
BESIDE = 860  # pixels from which the list stands beside the heatmap rather than below it
PAGES = {Phase.READY: 0, Phase.FAILED: 2}  # every other phase: the empty state


class PromptPanel(QWidget):
    """A prompt and what fires on it."""

    ID = "prompt"
    TITLE = "Prompt"

    def __init__(self, workspace: Workspace, commands: Commands) -> None:
        super().__init__()
        self.setObjectName(f"panel.{self.ID}")
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        self._workspace = workspace
        self._commands = commands
        self.presenter = PromptPresenter(workspace, self)
        self._build()
        self._lay_out()
        self._connect()
        add_commands(commands, self.presenter, self.text)
        self._show_text()
        self._show_answer()
        self._show_phase()

    def _build(self) -> None:
        self.text = PromptEdit(least=2, most=7)
        self.text.setPlaceholderText("Type or paste a text")
        self.text.setAccessibleName("Prompt whose features are read")
        self.mode = Segments((("Text", "Read the text as it is"), ("Chat", CHAT_HELP)), "How the prompt is read")
        self.recent = QPushButton("Recent")
        self.recent.setProperty("kind", "quiet")
        self.recent.setToolTip("Prompts that were run with Ctrl+Enter")
        self.recent_menu = QMenu(self.recent)
        self.counts = plain_label(tone="quiet", size="small")
        self.chip_bar = QWidget()
        self.chips: list[FeatureChip] = []
        self._drawn = False  # the line between heatmap and list was moved by hand
        self._chips_shown: list[tuple[int, str, bool, int | None]] = []
        self.tokens = TokenView(margin=theme().spacing(4))
        self.tokens.setAccessibleName("Tokens of the prompt")
        self.tokens.tooltip_for = self._about_token
        self.scale = ActivationScale()
        self.list_title = plain_label(tone="quiet", size="small")
        self.whole = QPushButton("Whole prompt")
        self.whole.setProperty("kind", "quiet")
        self.whole.setProperty("edge", "right")
        self.list = StrongList()
        self.empty = EmptyState("")
        self.failure = ErrorCard("Try again", self.presenter.run_and_keep)

    def _lay_out(self) -> None:
        space = theme().spacing
        bar = QHBoxLayout()
        bar.setSpacing(space(2))
        bar.addWidget(self.mode)
        bar.addWidget(self.recent)
        bar.addStretch(1)
        bar.addWidget(self.counts)
        top = QVBoxLayout()
        top.setContentsMargins(space(4), space(3), space(4), space(2))
        top.setSpacing(space(2))
        top.addWidget(self.text)
        top.addLayout(bar)
        self.chip_layout = FlowLayout(self.chip_bar)
        self.stage = Stage(self._answer_page(), self.empty, self.failure)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.stage, 1)

    def _answer_page(self) -> QWidget:
        space = theme().spacing
        heat = QWidget()
        column = QVBoxLayout(heat)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(space(1))
        for widget, stretch in ((self.chip_bar, 0), (self.tokens, 1), (self.scale, 0)):
            row = QHBoxLayout()
            margin = 0 if widget is self.tokens else space(4)
            row.setContentsMargins(margin, 0, margin, 0)
            row.addWidget(widget)
            column.addLayout(row, stretch)
        listed = QWidget()
        below = QVBoxLayout(listed)
        below.setContentsMargins(0, space(2), 0, 0)
        below.setSpacing(space(1))
        head = QHBoxLayout()
        head.setContentsMargins(space(4), 0, space(4), 0)
        head.addWidget(self.list_title, 1)
        head.addWidget(self.whole)
        below.addLayout(head)
        below.addWidget(self.list, 1)
        self.halves = QSplitter(Qt.Orientation.Vertical)
        self.halves.setChildrenCollapsible(False)
        self.halves.setHandleWidth(1)
        self.halves.splitterMoved.connect(self._line_drawn)
        self.halves.addWidget(heat)
        self.halves.addWidget(listed)
        self.halves.setStretchFactor(0, 3)
        self.halves.setStretchFactor(1, 2)
        return self.halves

    def _connect(self) -> None:
        presenter = self.presenter
        presenter.text_changed.connect(self._show_text)
        presenter.answered.connect(self._show_answer)
        presenter.heat_changed.connect(self._show_heat)
        presenter.list_changed.connect(self._show_list)
        presenter.list_changed.connect(self._show_chips)
        presenter.phase_changed.connect(self._show_phase)
        presenter.needed.connect(lambda kind: self._commands.run(f"{kind}.open"))
        self.text.edited.connect(presenter.write)
        self.text.settled.connect(presenter.run)
        self.text.submitted.connect(presenter.run_and_keep)
        self.mode.chosen.connect(lambda place: presenter.set_chat(place == 1))
        self.recent.clicked.connect(self._open_recent)
        self.recent_menu.triggered.connect(lambda action: presenter.recall(action.data()))
        self.tokens.hovered.connect(self._hover)
        self.tokens.caret_moved.connect(presenter.point_at)
        self.tokens.clicked.connect(presenter.point_at)
        self.whole.clicked.connect(lambda: presenter.point_at(None))
        self.list.picked.connect(presenter.select)
        self.list.pin_wanted.connect(presenter.toggle_pin)
        self.empty.button.clicked.connect(presenter.act)

    # --- showing ----------------------------------------------------------------------------------------------

    def _show_text(self) -> None:
        presenter = self.presenter
        self.text.show_text(presenter.text)
        self.mode.show_choice(int(presenter.chat))
        self.mode.set_possible(1, presenter.can_chat, CHAT_HELP if presenter.can_chat else NO_CHAT)
        self.recent.setVisible(bool(presenter.recent()))

    def _show_answer(self) -> None:
        reading = self.presenter.reading
        if reading is not None:
            answer = reading.activations
            self.tokens.set_tokens(answer.strings, answer.special, answer.sink)
            self._fit()
        self.counts.setText(self.presenter.counts)
        self.recent.setVisible(bool(self.presenter.recent()))
        self._show_heat()
        self._show_list()

    def _show_heat(self) -> None:
        reading, feature = self.presenter.reading, self.presenter.feature
        if reading is not None:
            heat = reading.heat(feature)
            self.tokens.set_values(heat.shares)
            self.scale.show_scale(heat.end, reading.scale_words(feature))
        self._show_chips()
        self.list.show_rows(self.list.rows, self._workspace.selected)

    def _show_chips(self) -> None:
        presenter, workspace = self.presenter, self._workspace
        wanted = [(f, *presenter.name(f), workspace.colour_index(f)) for f in presenter.chips()]
        if wanted != self._chips_shown:
            self._chips_shown = wanted
            self.chips = []
            self.chip_layout.clear()
            for feature, name, labelled, colour in wanted:
                chip = FeatureChip(feature, name, labelled, colour)
                chip.clicked.connect(lambda _checked, feature=feature: presenter.select(feature))
                self.chip_layout.addWidget(chip)
                self.chips.append(chip)
            order_tabs([self.text, *self.mode.buttons, self.recent, *self.chips, self.tokens, self.whole, self.list])
        for chip in self.chips:
            chip.setChecked(chip.feature == workspace.selected)
        self.chip_bar.setVisible(bool(self.chips))

    def _show_list(self) -> None:
        reading, token = self.presenter.reading, self.presenter.token
        if reading is not None:
            self.list.show_rows(reading.rows(token), self._workspace.selected)
            self.list_title.setText(reading.list_title(token))
        self.whole.setVisible(token is not None)

    def _show_phase(self) -> None:
        presenter = self.presenter
        phase = presenter.phase
        self.stage.setCurrentIndex(PAGES.get(phase, 1))
        if phase is Phase.FAILED and presenter.error is not None:
            self.failure.show_error(presenter.error)
        elif phase is not Phase.READY:
            self.empty.say(presenter.message, "", presenter.action)
        self.counts.setText("Reading the prompt …" if presenter.working else presenter.counts)

    def _hover(self, token: int) -> None:
        reading, feature = self.presenter.reading, self.presenter.feature
        if reading is None:
            return
        lit = token >= 0 and feature is not None
        self.scale.set_mark(float(reading.heat(feature).activations[token]) if lit else None)
        self.presenter.point_at(token if token >= 0 else self._caret_token())

    def _about_token(self, token: int) -> str:
        reading = self.presenter.reading
        return reading.about_token(token, self.presenter.feature) if reading is not None else ""

    def _caret_token(self) -> int | None:
        """The token that stays listed when the pointer leaves: the one at the caret, once the text has the keyboard."""
        return self.tokens.caret if self.tokens.hasFocus() and self.tokens.caret >= 0 else None

    def _open_recent(self) -> None:
        self.recent_menu.clear()
        metrics = self.recent_menu.fontMetrics()
        for prompt in self.presenter.recent():
            words = metrics.elidedText(one_line(prompt), Qt.TextElideMode.ElideRight, 360)
            self.recent_menu.addAction(words.replace("&", "&&")).setData(prompt)
        self.recent_menu.popup(self.recent.mapToGlobal(self.recent.rect().bottomLeft()))

    def _line_drawn(self) -> None:
        self._drawn = True

    def _fit(self) -> None:
        """Give a short text the height it needs and the list the rest, until the person draws the line themselves."""
        if self._drawn or self.halves.orientation() is not Qt.Orientation.Vertical:
            return
        others = self.chip_bar.heightForWidth(self.chip_bar.width()) + self.scale.height() + 3 * theme().spacing(1)
        wanted = self.tokens.content_height() + others
        total = self.halves.height()
        upper = max(LEAST, min(wanted, round(total * MOST)))
        self.halves.setSizes([upper, total - upper])

    # Qt

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        beside = self.width() >= BESIDE * theme().scale
        self.halves.setOrientation(Qt.Orientation.Horizontal if beside else Qt.Orientation.Vertical)
        QTimer.singleShot(0, self, self._fit)
