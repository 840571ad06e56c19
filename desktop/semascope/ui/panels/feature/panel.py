"""The feature page: head, figures, histogram and logit effects, nearest features, examples. Layout and wiring."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.feature.commands import add_commands
from semascope.ui.panels.feature.heading import Heading
from semascope.ui.panels.feature.neighbours import Neighbours
from semascope.ui.panels.feature.overview import Overview
from semascope.ui.panels.feature.presenter import FeaturePresenter
from semascope.ui.theme import theme
from semascope.ui.widgets.empty_state import EmptyState
from semascope.ui.widgets.error_card import ErrorCard
from semascope.ui.widgets.example_list import ExampleList
from semascope.ui.widgets.figures import Figures
from semascope.ui.widgets.front import bring_to_front
from semascope.ui.widgets.plain_text import plain_label

_MEASURE = 1080  # pixels at 100 %: wider lines are no longer read easily
_EMPTY, _ERROR, _PAGE = range(3)


class FeaturePanel(QWidget):
    """The page of the selected feature."""

    ID = "feature"
    TITLE = "Feature"

    def __init__(self, workspace: Workspace, commands: Commands, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel.feature")
        self.workspace = workspace
        self.commands = commands
        self.presenter = FeaturePresenter(workspace, self)
        self.heading = Heading(commands)
        self.figures = Figures()
        self.overview = Overview()
        self.neighbours = Neighbours()
        self.examples = ExampleList()
        self.silent = plain_label(tone="quiet")
        self._stay = 0  # in the notes: what is typed during one is one step of undo
        self._build()
        self._connect()
        add_commands(self, commands)
        self._show_page()

    # What commands do

    def come_forward(self) -> None:
        """Bring the panel to the front, with the keyboard in the examples."""
        bring_to_front(self)
        self.examples.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def edit_label(self) -> None:
        bring_to_front(self)
        self.area.verticalScrollBar().setValue(0)
        self.heading.label.edit()

    def edit_tags(self) -> None:
        bring_to_front(self)
        self.heading.tags.add()

    def edit_notes(self) -> None:
        bring_to_front(self)
        self.heading.edit_notes()

    def copy_number(self) -> None:
        if self.presenter.feature is not None:
            QGuiApplication.clipboard().setText(str(self.presenter.feature))

    # Building

    def _build(self) -> None:
        space = theme().spacing
        self.examples.setAccessibleName(self.tr("Examples"))
        self.silent.setWordWrap(True)
        self.content = QWidget()
        self.content.setMaximumWidth(round(_MEASURE * theme().scale))
        column = QVBoxLayout(self.content)
        column.setContentsMargins(space(4) + 2, space(4), space(4) + 2, space(6))
        column.setSpacing(space(4))
        for part in (self.heading, self.figures, self.overview, self.neighbours, self.silent, self.examples):
            column.addWidget(part)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.area.setWidget(self.content)
        for ground in (self, self.content, self.area.viewport()):
            ground.setBackgroundRole(QPalette.ColorRole.Base)
            ground.setAutoFillBackground(True)
        self.setFocusProxy(self.examples)
        self.empty = EmptyState("", "", " ", self._fill)
        self.error = ErrorCard()
        self.pages = QStackedLayout(self)
        self.pages.setContentsMargins(0, 0, 0, 0)
        for page in (self.empty, self.error, self.area):
            self.pages.addWidget(page)

    def _connect(self) -> None:
        presenter = self.presenter
        presenter.page_changed.connect(self._show_page)
        presenter.note_changed.connect(self._show_note)
        presenter.trail_changed.connect(self.heading.refresh_ways)
        presenter.unreadable.connect(self._show_error)
        self.heading.label_changed.connect(presenter.set_label)
        self.heading.tags_changed.connect(presenter.set_tags)
        self.heading.notes_changed.connect(self._write_notes)
        self.heading.notes.left.connect(self._leave_notes)
        self.neighbours.chosen.connect(lambda feature: self.workspace.select(feature, self))
        self.examples.row_focused.connect(self._show_row)

    # Showing

    def _show_page(self) -> None:
        page = self.presenter.page
        if page is None:
            self._show_empty()
            return
        self.figures.show_figures(page.figures)
        self.overview.show_page(page)
        self.examples.set_sections(page.sections)
        self.examples.setVisible(bool(page.sections))
        self.silent.setVisible(not page.sections)
        self.silent.setText(self.tr("No examples: this feature did not fire in the harvest."))
        self._show_note()
        self.area.verticalScrollBar().setValue(0)
        self.pages.setCurrentIndex(_PAGE)

    def _show_note(self) -> None:
        page, presenter = self.presenter.page, self.presenter
        if page is None:
            return
        note = presenter.note
        self.heading.show_feature(page.feature, presenter.label, note.tags, note.notes, presenter.pinned)
        self.neighbours.show_neighbours([(id, cosine, *presenter.name_of(id)) for id, cosine in page.neighbours])

    def _show_empty(self) -> None:
        if self.presenter.has_harvest:
            self.empty.say(
                self.tr("No feature is selected"),
                self.tr(
                    "Its activations, logit effects and examples would be here. Choose one in the list of features."
                ),
                self.tr("Find a feature"),
            )
        else:
            self.empty.say(
                self.tr("No harvest is open"),
                self.tr(
                    "What a harvest knows of a feature would be here: when it fires, and what it makes more likely."
                ),
                self.tr("Open a harvest…"),
            )
        self.pages.setCurrentIndex(_EMPTY)

    def _show_error(self, error: Exception) -> None:
        self.error.show_error(error)
        self.pages.setCurrentIndex(_ERROR)

    def _show_row(self, row: QRect) -> None:
        top = self.examples.mapTo(self.content, row.topLeft()).y()
        self.area.ensureVisible(0, top + row.height(), 0, theme().row)
        self.area.ensureVisible(0, top, 0, theme().row)

    # Acting

    def _fill(self) -> None:
        self.commands.run("features.find" if self.presenter.has_harvest else "harvest.open")

    def _leave_notes(self) -> None:
        self._stay += 1

    def _write_notes(self, feature: int, notes: str) -> None:
        self.presenter.set_notes(feature, notes, self._stay)
