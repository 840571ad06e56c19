"""A bar over the panels while the SAE they show seems to be read wrongly: nobody should look at its features unaware of that."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from semascope.core.saes.reading import Reading
from semascope.state.workspace import Workspace
from semascope.ui.shell import check_words as words
from semascope.ui.theme import theme
from semascope.ui.widgets.plain_text import plain_label, plain_tooltip
from semascope.ui.widgets.verdict_mark import VerdictMark


class CheckBar(QFrame):
    """Follows the workspace by itself; hidden while all is well.

    Args:
        workspace: Whose current SAE it is about.
        on_details: Shows the whole check.
    """

    def __init__(self, workspace: Workspace, on_details: Callable[[], object], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("checkBar")
        self._workspace = workspace
        self._dismissed: set[tuple[str, Reading]] = set()
        self._said = ""
        self.mark, self.words = VerdictMark("error"), plain_label()
        self.words.setWordWrap(True)
        self.use = QPushButton("Use this reading")
        self.use.setProperty("kind", "primary")
        self.use.clicked.connect(self._use)
        self.details = QPushButton("Show the check")
        self.details.clicked.connect(lambda: on_details())
        self.hide_it = QPushButton("Dismiss")
        self.hide_it.setProperty("kind", "plain")
        self.hide_it.clicked.connect(self._dismiss)
        across = QHBoxLayout(self)
        across.setContentsMargins(*[theme().spacing(n) for n in (3, 2, 3, 2)])
        across.setSpacing(theme().spacing(2))
        across.addWidget(self.mark, 0, Qt.AlignmentFlag.AlignVCenter)
        across.addWidget(self.words, 1)
        for button in (self.use, self.details, self.hide_it):
            across.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        workspace.checking.changed.connect(self._show)
        workspace.engine_changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        info = self._workspace.sae_info
        state = self._workspace.checking.of(info) if info is not None else None
        wrong = (
            info is not None
            and state is not None
            and state.check is not None
            and (state.wrong or not info.reads)
            and (info.fingerprint, info.reading) not in self._dismissed
        )
        self.setVisible(wrong)
        if not wrong or info is None or state is None or state.check is None:
            self._said = ""
            return
        said = words.summary(info, state.check)
        self.mark.show_sign(words.sign(state))
        self.words.setText(said)
        self.setAccessibleName(said)
        recommended = state.check.recommended
        self.use.setVisible(recommended is not None)
        self.use.setToolTip(plain_tooltip(words.reading_name(recommended) if recommended is not None else ""))
        if said != self._said:
            self._said = said
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, said))

    def _use(self) -> None:
        info = self._workspace.sae_info
        check = self._workspace.checking.of(info).check if info is not None else None
        if info is not None and check is not None and check.recommended is not None:
            self._workspace.checking.read_as(info, check.recommended)

    def _dismiss(self) -> None:
        info = self._workspace.sae_info
        if info is not None:
            self._dismissed.add((info.fingerprint, info.reading))
        self._show()
