"""One prompt being answered with and without edits: from the request, through streaming and stop, to the measured effect.

Each question is an object of its own, so that whatever arrives late for an older one arrives nowhere. No widgets.
"""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, Signal

from semascope.core.steering.answer import Effect
from semascope.jobs.bridge import Bridge
from semascope.jobs.records import Ticket
from semascope.jobs.requests import Answers, Generate, Generated, MeasureEffect
from semascope.state.yardstick import Yardstick
from semascope.ui.panels.steer import comparison
from semascope.ui.panels.steer.comparison import Comparison
from semascope.ui.panels.steer.strength import number

SPACE = "\N{NO-BREAK SPACE}"
DOT = f"{SPACE}· "  # a line may end after the dot, none begins with it
Pieces = tuple[tuple[str, bool], ...]  # (words, whether they are a measured number)


class Asking(QObject):
    """A question to the engine and what came of it.

    Args:
        bridge: The way to the engine.
        request: The question.
        lit: The feature to show on the answers if it is among the edited ones, or None.
        measure: What its activations are relative to.

    Attributes:
        request: As given.
        answers: Both answers so far.
        effect: The effect in words, () before there is one.
        error: Why there are no answers, or None.

    Signals:
        changed: any of the attributes changed.
        answered: the engine's `Answers`, once complete.
    """

    changed = Signal()
    answered = Signal(object)

    def __init__(
        self, bridge: Bridge, request: Generate, lit: int | None, measure: Yardstick, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._lit = lit
        self._yardstick = measure
        self._ticket: Ticket | None = None
        self.request = request
        self.answers: Comparison = comparison.starting(request)
        self.effect: Pieces = ()
        self.error: Exception | None = None
        self._streaming = False

    @property
    def streaming(self) -> bool:
        """Whether answers are still growing."""
        return self._streaming

    def start(self) -> None:
        """Ask; an older question that is still being answered is dropped by the lane."""
        self._streaming = True
        self._ticket = self._bridge.request(
            self.request,
            on_done=self._on_answers,
            on_error=self._on_error,
            on_progress=self._on_update,
            on_cancel=self._on_stop,
            kind="generate",
            title=self.request.title,
        )

    def stop(self) -> None:
        """End after the token it is at, or end the measuring; what was said stays."""
        if self._ticket is not None:
            self._ticket.cancel()

    def _on_update(self, update: Any) -> None:
        if self._streaming and isinstance(update, Generated):
            self.answers = comparison.streaming(self.request, update)
            self.changed.emit()

    def _on_stop(self, _ticket: object) -> None:
        self._streaming, self._ticket = False, None
        self.answers = comparison.stopped(self.answers)
        self.changed.emit()

    def _on_error(self, error: Exception) -> None:
        self._streaming, self._ticket, self.error = False, None, error
        self.changed.emit()

    def _on_answers(self, answers: Answers) -> None:
        self._streaming, self._ticket = False, None
        self.answers = comparison.finished(self.request, answers, self._lit, self._yardstick)
        if self.request.edits:
            self._ticket = self._bridge.request(
                MeasureEffect(self.request, answers.baseline.ids, answers.steered.ids),
                on_done=self._on_effect,
                on_error=self._on_no_effect,
                on_cancel=self._on_no_effect,
                kind="effect",
            )
            self.effect = (("Measuring the effect …", False),)
        self.answered.emit(answers)
        self.changed.emit()

    def _on_effect(self, effect: Effect) -> None:
        self._ticket = None
        self.effect = (
            ("Effect ", False),
            (f"KL{SPACE}{number(effect.kl)}", True),
            (f"{DOT}fluency cost ", False),
            (f"{number(effect.fluency_cost, signed=True)}{SPACE}nats", True),
            (f"{DOT}random push of equal norm ", False),
            (f"KL{SPACE}{number(effect.random_kl)}", True),
        )
        self.changed.emit()

    def _on_no_effect(self, reason: object) -> None:
        self._ticket = None
        told = f" {reason}" if isinstance(reason, Exception) else ""
        self.effect = ((f"The effect was not measured.{told}", False),)
        self.changed.emit()
