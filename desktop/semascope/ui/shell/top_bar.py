"""The bar at the top: what is open, in three chips, and the way to every command."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.shell import words
from semascope.ui.shell.check_words import chip_word, sign
from semascope.ui.shell.details import harvest_details, model_details
from semascope.ui.shell.find_field import FindField
from semascope.ui.shell.popover import Popover
from semascope.ui.shell.sae_details import sae_details
from semascope.ui.theme import theme, themes
from semascope.ui.widgets.chip import Chip
from semascope.ui.widgets.plain_text import plain_label


class TopBar(QWidget):
    """Follows the workspace by itself."""

    def __init__(self, workspace: Workspace, commands: Commands, on_find: Callable[[], object]) -> None:
        super().__init__()
        self._workspace, self._commands = workspace, commands
        self._name = plain_label("Semascope")
        self.model, self.sae, self.harvest = Chip("Model"), Chip("SAE"), Chip("Harvest")
        find = FindField()
        find.clicked.connect(lambda: on_find())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme().spacing(3), theme().spacing(1), theme().spacing(3), theme().spacing(1) + 1)
        layout.setSpacing(theme().spacing(2))
        layout.addWidget(self._name)
        layout.addSpacing(theme().spacing(2))
        for chip in (self.model, self.sae, self.harvest):
            layout.addWidget(chip)
        layout.addStretch(1)
        layout.addWidget(find)
        self.model.clicked.connect(lambda: self._explain(self.model, model_details))
        self.sae.clicked.connect(lambda: self._explain(self.sae, sae_details))
        self.harvest.clicked.connect(lambda: self._explain(self.harvest, harvest_details))
        workspace.engine_changed.connect(self._show)
        workspace.harvest_changed.connect(self._show)
        workspace.session_changed.connect(self._show)
        workspace.checking.changed.connect(self._show)
        themes().changed.connect(self._dress)
        self._dress()
        self._show()

    def _dress(self) -> None:
        font = theme().ui()
        font.setWeight(QFont.Weight.DemiBold)
        self._name.setFont(font)
        self.setFixedHeight(round(40 * theme().scale))

    def _show(self) -> None:
        workspace, pending = self._workspace, self._workspace.opening.pending
        model, sae, harvest, session = workspace.model_info, workspace.sae_info, workspace.harvest, workspace.session
        if "model" in pending:
            self.model.say(session.model.name if session.model else pending["model"], "opening…")
        elif model:
            self.model.say(model.name, words.model_facts(model))
        else:
            self.model.say(session.model.name if session.model else "", "not loaded")
        more = len(workspace.dictionaries) - 1
        beside = f"+{more} · " if more > 0 else ""
        if "sae" in pending:
            self.sae.say(session.sae.name if session.sae and not sae else pending["sae"], "opening…")
        elif sae:
            state = workspace.checking.of(sae)
            mark = chip_word(state, model is not None)
            self.sae.say(words.hook(sae.hook_point) or sae.name, beside + words.sae_facts(sae), mark, sign(state))
        else:
            hook = words.hook(str(harvest.hook_point)) if harvest else ""
            self.sae.say(hook or (session.sae.name if session.sae else ""), beside + "not loaded")
        if harvest:
            self.harvest.say(words.harvest_name(harvest), f"{words.count(harvest.tokens)} tokens")
        else:
            self.harvest.say(pending.get("harvest", ""), "opening…")

    def explain_sae(self) -> None:
        """Show the page of the SAE's chip."""
        self._explain(self.sae, sae_details)

    def _explain(self, chip: Chip, make: Callable[[Workspace, Commands], Popover]) -> None:
        self._details = make(self._workspace, self._commands)
        self._details.open_below(chip)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme().pane)
        painter.fillRect(0, self.height() - 1, self.width(), 1, theme().line)
