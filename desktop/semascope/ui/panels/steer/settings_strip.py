"""How answers are sampled: tokens, temperature, seed, and whether the chat template goes round the prompt. Layout only."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QSpinBox, QWidget

from semascope.core.session.document import SteerSettings
from semascope.ui.theme import theme
from semascope.ui.widgets.gesture import Gesture
from semascope.ui.widgets.plain_text import plain_label
from semascope.ui.widgets.segments import Segments

LONGEST_ANSWER = 4096
CHAT_HELP = "Ask it as a user's message, written as the model's own chat template writes it"
NO_CHAT = "The open model has no chat template"


class SettingsStrip(QWidget):
    """Four fields.

    Signals:
        changed(object, int): the SteerSettings a person chose, and the gesture in which they did.
    """

    changed = Signal(object, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = SteerSettings()
        self._gesture = Gesture(pause=1.5)
        self.tokens = QSpinBox()
        self.tokens.setRange(1, LONGEST_ANSWER)
        self.tokens.setAccessibleName("Longest answer, in tokens")
        self.temperature = QDoubleSpinBox()
        self.temperature.setRange(0.0, 5.0)
        self.temperature.setSingleStep(0.1)
        self.temperature.setDecimals(2)
        self.temperature.setToolTip("0 takes the likeliest token every time")
        self.temperature.setAccessibleName("Temperature; 0 takes the likeliest token every time")
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Both answers are drawn with the same seed")
        self.seed.setAccessibleName("Seed of both answers")
        self.mode = Segments((("Text", "Continue the prompt as it is"), ("Chat", CHAT_HELP)), "How the prompt is asked")
        self._lay_out()
        self.tokens.valueChanged.connect(lambda value: self._change(max_tokens=value))
        self.temperature.valueChanged.connect(lambda value: self._change(temperature=round(value, 2)))
        self.seed.valueChanged.connect(lambda value: self._change(seed=value))
        self.mode.chosen.connect(lambda place: self._change(chat=place == 1))

        for field in (self.tokens, self.temperature, self.seed):
            field.lineEdit().setTextMargins(6, 0, 6, 0)  # a style sheet's padding does not reach it

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme().spacing(2))
        grid.setVerticalSpacing(theme().spacing(2))
        fields = (("Tokens", self.tokens), ("Temperature", self.temperature), ("Seed", self.seed))
        for place, (words, field) in enumerate(fields):
            label = plain_label(words, tone="quiet")
            label.setBuddy(field)
            grid.addWidget(label, place // 2, place % 2 * 2)
            grid.addWidget(field, place // 2, place % 2 * 2 + 1)
        grid.addWidget(self.mode, 1, 2, 1, 2)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

    def fields(self) -> tuple[QWidget, ...]:
        """What the keyboard visits, in order."""
        return (self.tokens, self.temperature, self.seed, *self.mode.buttons)

    def show_settings(self, settings: SteerSettings, can_chat: bool) -> None:
        """Show these, without telling anybody."""
        self._settings = settings
        for field, value in ((self.tokens, settings.max_tokens), (self.temperature, settings.temperature)):
            self._set(field, value)
        self._set(self.seed, settings.seed)
        self.mode.show_choice(int(settings.chat and can_chat))
        self.mode.set_possible(1, can_chat, CHAT_HELP if can_chat else NO_CHAT)

    def _set(self, field: QSpinBox | QDoubleSpinBox, value: float) -> None:
        if field.value() != value:
            blocked = field.blockSignals(True)
            field.setValue(value)  # type: ignore[arg-type]
            field.blockSignals(blocked)

    def _change(self, **values: object) -> None:
        self._settings = replace(self._settings, **values)  # type: ignore[arg-type]
        self.changed.emit(self._settings, self._gesture.go_on())
