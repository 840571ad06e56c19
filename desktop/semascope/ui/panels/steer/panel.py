"""The steer panel: pinned features with their sliders above, the prompt and its two answers below. Layout only.

What it shows and does is decided by `presenter.py`.
"""

from __future__ import annotations

from PySide6.QtGui import QKeySequence, QPalette
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.steer.commands import add_commands
from semascope.ui.panels.steer.pinned_list import PinnedList
from semascope.ui.panels.steer.presenter import SteerPresenter
from semascope.ui.panels.steer.settings_strip import SettingsStrip
from semascope.ui.theme import theme
from semascope.ui.widgets.answer_view import AnswerView
from semascope.ui.widgets.empty_state import EmptyState
from semascope.ui.widgets.error_card import ErrorCard
from semascope.ui.widgets.measured_note import MeasuredNote
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.prompt_edit import PromptEdit
from semascope.ui.widgets.side_by_side import SideBySide
from semascope.ui.widgets.slider_row import SliderRow
from semascope.ui.widgets.stage import Stage
from semascope.ui.widgets.tab_order import order_tabs

PROMPT_HINT = "A question or a text to continue"
NO_PINS = "Pin a feature to steer with it."
NO_ANSWERS = "The model's answers with and without the sliders stand here, side by side."


class SteerPanel(QWidget):
    """Sliders, a prompt, a baseline and a steered answer."""

    ID = "steer"
    TITLE = "Steer"

    def __init__(self, workspace: Workspace, commands: Commands) -> None:
        super().__init__()
        self.setObjectName(f"panel.{self.ID}")
        self.setBackgroundRole(QPalette.ColorRole.Base)
        self.setAutoFillBackground(True)
        self._commands = commands
        self._features: list[int] | None = None  # in the order of the rows
        self.presenter = SteerPresenter(workspace, self)
        self._build()
        self._lay_out()
        self._connect()
        add_commands(commands, self.presenter, self.prompt)
        self._show_rows()
        self._show_settings()
        self._show_answers()
        self._show_state()

    def _build(self) -> None:
        self.no_pins = EmptyState(NO_PINS, "", "", self.presenter.pin_selected)
        self.pinned = PinnedList()
        self.remark = plain_label(tone="quiet", size="small")
        self.remark.setWordWrap(True)
        self.reset = QPushButton("Turn all off")
        self.reset.setProperty("kind", "quiet")
        self.reset.setProperty("edge", "right")
        self.prompt = PromptEdit()
        self.prompt.setPlaceholderText(PROMPT_HINT)
        self.prompt.setAccessibleName("Prompt for the baseline and the steered answer")
        self.baseline = AnswerView("baseline")
        self.steered = AnswerView("steered")
        self.no_model = EmptyState(NO_ANSWERS, "", "", self.presenter.act)
        self.failure = ErrorCard("Try again", self.presenter.generate)
        self.effect = MeasuredNote()
        self.generate = QPushButton("Generate")
        self.generate.setProperty("kind", "primary")
        self.stop = QPushButton("Stop")
        self.sampling = QPushButton()
        self.sampling.setProperty("kind", "quiet")
        self.sampling.setProperty("edge", "right")
        self.sampling.setCheckable(True)
        self.sampling.setToolTip("Tokens, temperature, seed, chat template")
        self.settings = SettingsStrip()
        self.settings.hide()

    def _lay_out(self) -> None:
        space = theme().spacing
        answers = SideBySide(self.baseline, self.steered)
        self.stage = Stage(answers, self.no_model, self.failure)
        strip = QHBoxLayout()
        strip.addWidget(self.remark, 1)
        strip.addWidget(self.reset)
        buttons = QHBoxLayout()
        buttons.setSpacing(space(2))
        buttons.addWidget(self.generate)
        buttons.addWidget(self.stop)
        buttons.addStretch(1)
        buttons.addWidget(self.sampling)
        body = QVBoxLayout()
        body.setContentsMargins(space(3), space(1), space(3), space(3))
        body.setSpacing(space(2))
        body.addLayout(strip)
        body.addWidget(self.prompt)
        body.addWidget(self.stage, 1)
        body.addWidget(self.effect)
        body.addLayout(buttons)
        body.addWidget(self.settings)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.pinned)
        layout.addWidget(self.no_pins)
        layout.addLayout(body, 1)

    def _connect(self) -> None:
        presenter = self.presenter
        presenter.rows_changed.connect(self._show_rows)
        presenter.settings_changed.connect(self._show_settings)
        presenter.answers_changed.connect(self._show_answers)
        presenter.state_changed.connect(self._show_state)
        self.pinned.made.connect(self._connect_row)
        self.prompt.edited.connect(presenter.write)
        self.prompt.submitted.connect(presenter.generate)
        self.settings.changed.connect(presenter.change)
        self.settings.changed.connect(lambda *_: self._show_sampling())
        self.sampling.toggled.connect(self.settings.setVisible)
        self.generate.clicked.connect(presenter.generate)
        self.stop.clicked.connect(presenter.stop)
        self.reset.clicked.connect(presenter.reset_all)
        presenter.needed.connect(lambda kind: self._commands.run(f"{kind}.open"))

    def _connect_row(self, row: SliderRow, feature: int) -> None:
        presenter = self.presenter
        row.moved.connect(lambda strength, gesture: presenter.move(feature, strength, gesture))
        row.typed.connect(lambda text: presenter.type_value(feature, text))
        row.mode_chosen.connect(lambda mode: presenter.set_mode(feature, mode))
        row.mute_wanted.connect(lambda muted: presenter.set_muted(feature, muted))
        row.solo_wanted.connect(lambda: presenter.solo(feature))
        row.unpin_wanted.connect(lambda: presenter.unpin(feature))
        row.opened.connect(lambda: presenter.open_feature(feature))

    # --- showing ----------------------------------------------------------------------------------------------

    def _show_rows(self) -> None:
        rows = self.presenter.rows()
        self.pinned.show_rows(rows)
        self.pinned.setVisible(bool(rows))
        self.no_pins.setVisible(not rows)
        features = [row.feature for row in rows]
        if features != self._features:
            self._features = features
            self._order_tabs(features)
        self.remark.setVisible(bool(rows))

    def _order_tabs(self, features: list[int]) -> None:
        rows = [self.pinned.row(feature) for feature in features]
        sliders = [child for row in rows for child in (row.value, row.slider)]
        answers = (self.prompt, self.baseline.text, self.steered.text, self.generate, self.stop, self.sampling)
        order_tabs([*sliders, self.no_pins.button, self.reset, *answers, *self.settings.fields()])

    def _show_settings(self) -> None:
        self.prompt.show_text(self.presenter.settings.prompt)
        self.settings.show_settings(self.presenter.settings, self.presenter.can_chat)
        self._show_sampling()

    def _show_sampling(self) -> None:
        settings = self.presenter.settings
        greedy = "greedy" if settings.temperature == 0 else f"temperature {settings.temperature:g}"
        self.sampling.setText(f"{settings.max_tokens} tokens · {greedy}")
        self.sampling.setAccessibleName(f"Settings: {settings.max_tokens} tokens, {greedy}, seed {settings.seed}")

    def _show_answers(self) -> None:
        presenter, answers = self.presenter, self.presenter.answers
        if presenter.error is not None:
            self.failure.show_error(presenter.error)
        shown = answers is not None or presenter.has_model
        page = 2 if presenter.error is not None else 0 if shown else 1
        self.stage.setCurrentIndex(page)
        for view, side in ((self.baseline, "baseline"), (self.steered, "steered")):
            told = presenter.side(side)
            view.say(told.waiting)
            view.remark.setText(told.remark)
            view.show_answer(told.strings, told.heat, told.parting, told.tooltip)
        pieces = presenter.effect
        self.effect.show_pieces(pieces)
        self.effect.setVisible(bool(pieces))

    def _show_state(self) -> None:
        presenter = self.presenter
        self.generate.setEnabled(presenter.can_generate)
        keys = self._commands.action("steer.generate").shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.generate.setToolTip(presenter.why_not or f"Answer with and without the sliders ({keys})")
        self.stop.setVisible(presenter.generating)
        self.reset.setVisible(presenter.can_reset)
        self.remark.setText(presenter.notice)
        selected = presenter.selected_unpinned
        action = "" if selected is None else f"Pin feature {selected}"
        self.no_pins.say(NO_PINS, presenter.pin_hint, action)
        opening = presenter.opening
        self.no_model.say(f"{opening} …" if opening else NO_ANSWERS, "", presenter.offer)
        if not presenter.generating:
            self._show_answers()
