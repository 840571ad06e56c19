"""Max-activating and interval examples: sections of one-line heatmaps around the peak, each opening to its whole window.

One widget paints all rows, and only those that the page around it shows, so a page of hundreds of examples scrolls as
lightly as an empty one. It takes the height it needs; the scroll area is the page's. Keys: ↑ ↓ row, → or Enter opens,
← closes, Ctrl+C copies the row's text.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetrics,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from semascope.ui.theme import Theme, theme, themes
from semascope.ui.widgets import spoken
from semascope.ui.widgets.example_rows import ExampleRow, ExampleSection, Place, arrange
from semascope.ui.widgets.numbers import activation_text
from semascope.ui.widgets.plain_text import plain_tooltip
from semascope.ui.widgets.table_cells import draw_elided
from semascope.ui.widgets.token_metrics import TokenMetrics
from semascope.ui.widgets.token_paint import Marks, TokenPainter

_FADE = 28  # pixels over which a cut line fades out
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ExampleList(QWidget, spoken.Spoken):
    """Sections of example rows.

    Signals:
        row_focused: QRect of the row that became current by keyboard, for the scroll area to bring into view.
    """

    row_focused = Signal(QRect)
    spoken_role = QAccessible.Role.List

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        spoken.install()
        self._sections: tuple[ExampleSection, ...] = ()
        self._places: list[Place] = []
        self._metrics: TokenMetrics | None = None
        self._current = -1
        self._hover = (-1, -1)  # row, token
        self._pressed = -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        themes().changed.connect(self._restyle)

    def set_sections(self, sections: Sequence[ExampleSection]) -> None:
        """Show other examples, all closed."""
        self._sections = tuple(sections)
        self._current, self._hover = -1, (-1, -1)
        self._arrange()

    def rows(self) -> list[ExampleRow]:
        """All rows in the order in which they stand."""
        return [place.row for place in self._places if place.row is not None]

    @property
    def current(self) -> int:
        """The row at the keyboard's place, −1 before there is one."""
        return self._current

    def toggle(self, row: int, opened: bool | None = None) -> None:
        """Open or close a row's window."""
        rows = self.rows()
        if 0 <= row < len(rows):
            rows[row].opened = not rows[row].opened if opened is None else opened
            self._arrange()

    def toggle_all(self, opened: bool) -> None:
        for row in self.rows():
            row.opened = opened
        self._arrange()

    def set_current(self, row: int) -> None:
        """Move the keyboard's place."""
        rows = self.rows()
        if rows:
            self._current = min(max(row, 0), len(rows) - 1)
            self.row_focused.emit(self._rect_of(self._current))
            self.update()
            spoken.announce(self)

    def spoken_value(self) -> str:
        rows = self.rows()
        if not 0 <= self._current < len(rows):
            return ""
        row = rows[self._current]
        return self.tr("{value} on “{token}”: {text}").format(
            value=activation_text(row.activation),
            token=row.text.strings[row.peak].strip(),
            text=row.text.text().strip(),
        )

    def spoken_text(self) -> str:
        return self.tr("{count} examples").format(count=len(self.rows()))

    def sizeHint(self) -> QSize:
        return QSize(480, self._height())

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self._height())

    # Geometry

    def _fonts(self) -> TokenMetrics:
        if self._metrics is None:
            self._metrics = TokenMetrics(theme().ui())
        return self._metrics

    def _height(self) -> int:
        return self._places[-1].bottom if self._places else 0

    def _text_left(self) -> int:
        return round(46 * theme().scale)

    def _arrange(self) -> None:
        self._places = arrange(self._sections, self._fonts(), self.width() - self._text_left() - 2, theme().scale)
        self.setFixedHeight(self._height())
        self.update()

    def _restyle(self) -> None:
        self._metrics = None
        for row in self.rows():
            row.forget_layout()
        self._arrange()

    def _row_at(self, y: float) -> int:
        count = -1
        for place in self._places:
            count += place.row is not None
            if place.top <= y < place.bottom:
                return count if place.row is not None else -1
        return -1

    def _place_of(self, row: int) -> Place:
        return [place for place in self._places if place.row is not None][row]

    def _rect_of(self, row: int) -> QRect:
        place = self._place_of(row)
        return QRect(0, place.top, self.width(), place.bottom - place.top)

    def _token_at(self, point: QPointF) -> tuple[int, int]:
        """Row and token under a point, each −1 where there is none."""
        number = self._row_at(point.y())
        if number < 0 or point.x() < self._text_left():
            return number, -1
        place = self._place_of(number)
        assert place.row is not None
        left, top = place.text_origin(self._text_left(), self._fonts())
        return number, place.row.layout_at(self._fonts(), place.width).token_at(point.x() - left, point.y() - top)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        look = theme()
        area = event.rect()
        number = -1
        for place in self._places:
            number += place.row is not None
            if place.bottom <= area.top():
                continue
            if place.top > area.bottom():
                break
            if place.row is None:
                self._paint_heading(painter, place, look)
            else:
                self._paint_row(painter, place, number, look, area)

    def _paint_heading(self, painter: QPainter, place: Place, look: Theme) -> None:
        rect = QRect(0, place.top, self.width(), place.bottom - place.top - look.spacing(1))
        draw_elided(
            painter,
            rect.adjusted(0, 0, 0, -4),
            place.heading,
            look.small(),
            look.quiet,
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom,
        )
        painter.fillRect(0, rect.bottom(), self.width(), 1, look.hairline)

    def _paint_row(self, painter: QPainter, place: Place, number: int, look: Theme, area: QRect) -> None:
        row = place.row
        assert row is not None
        whole = QRect(0, place.top, self.width(), place.bottom - place.top)
        ground = look.pane
        if row.opened or number == self._hover[0]:
            ground = look.background
            painter.fillRect(whole, ground)
        first_line = QRect(0, place.top, self._text_left() - look.spacing(3), place.line)
        draw_elided(painter, first_line, activation_text(row.activation), look.tabular(), look.quiet, _RIGHT)
        layout = row.layout_at(self._fonts(), place.width)
        left, top = place.text_origin(self._text_left(), self._fonts())
        marks = Marks(hover=self._hover[1] if number == self._hover[0] else -1)
        painter.save()
        edge = self._text_left() - (2 if left == self._text_left() else 0)  # nothing of the word that was cut off
        painter.setClipRect(QRect(edge, place.top, self.width() - edge, whole.height()))
        painter.translate(left, top)
        tokens = TokenPainter(painter, look, self._fonts(), row.text, layout, row.levels, marks)
        tokens.paint(area.top() - top, area.bottom() - top)
        painter.restore()
        if row.opened:
            draw_elided(painter, place.foot(self._text_left()), self._source_words(row), look.small(), look.quiet)
        elif layout.extent + left > self.width() or row.times > 1:
            self._paint_end(painter, whole, ground, f"×{row.times}" if row.times > 1 else "")
        if self.hasFocus() and number == self._current:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(look.accent)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(whole).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)

    def _paint_end(self, painter: QPainter, whole: QRect, ground: QColor, words: str) -> None:
        """Let a line fade out at the right edge, where `words` stand."""
        font = theme().small()
        room = QFontMetrics(font).horizontalAdvance(words) + theme().spacing(1) if words else 0
        start = whole.right() - room - _FADE
        fade = QLinearGradient(start, 0, start + _FADE, 0)
        clear = QColor(ground)
        clear.setAlpha(0)
        fade.setColorAt(0, clear)
        fade.setColorAt(1, ground)
        painter.fillRect(whole.adjusted(start - whole.left(), 0, 0, 0), fade)
        draw_elided(painter, whole, words, font, theme().quiet, _RIGHT)

    def _source_words(self, row: ExampleRow) -> str:
        if row.times == 1:
            return row.source
        return self.tr("{source}  ·  one of {times} with these words around the peak").format(
            source=row.source, times=row.times
        )

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        if event.oldSize().width() != event.size().width():
            self._arrange()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._set_hover(self._token_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        self._set_hover((-1, -1))
        super().leaveEvent(event)

    def _set_hover(self, hover: tuple[int, int]) -> None:
        if hover != self._hover:
            self._hover = hover
            self.setCursor(Qt.CursorShape.PointingHandCursor if hover[0] >= 0 else Qt.CursorShape.ArrowCursor)
            self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed = self._row_at(event.position().y()) if event.button() == Qt.MouseButton.LeftButton else -1

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position().y())
        if row >= 0 and row == self._pressed:
            self._current = row
            self.toggle(row)
        self._pressed = -1

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self._current < 0 and event.reason() != Qt.FocusReason.MouseFocusReason:
            self.set_current(0)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.set_current(self._current + (1 if key == Qt.Key.Key_Down else -1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.toggle(self._current)
        elif key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
            self.toggle(self._current, key == Qt.Key.Key_Right)
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Copy the current row's text."""
        rows = self.rows()
        if 0 <= self._current < len(rows):
            QGuiApplication.clipboard().setText(rows[self._current].text.text())

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._show_tooltip(event)
            return True
        return super().event(event)

    def _show_tooltip(self, event: QHelpEvent) -> None:
        number, token = self._token_at(QPointF(event.pos()))
        if token < 0:
            QToolTip.hideText()
            return
        QToolTip.showText(event.globalPos(), plain_tooltip(self.rows()[number].token_words(token)), self)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        at = self._rect_of(self._current).center() if event.reason() == event.Reason.Keyboard else event.pos()
        row = self._row_at(at.y())
        self._current = row if row >= 0 else self._current
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy text"), self.copy).setEnabled(self._current >= 0)
        menu.addAction(self.tr("Open all"), lambda: self.toggle_all(True))
        menu.addAction(self.tr("Close all"), lambda: self.toggle_all(False))
        menu.popup(self.mapToGlobal(QPoint(at)))
