"""Undo and redo for a session: a list of steps, each the document before and after.

Documents share their unchanged parts, so a step costs little more than what it changed. Undoing a step puts back only
the fields which that step changed, and of a mapping only the entries: what is merely shown (the selection, the sort order,
what is open) changes without a step, in fields of its own, and stays as it is. The history is not stored in the session file.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from semascope.core.session.document import Session
from semascope.core.session.edits import Edit

LONGEST = 1000  # steps kept; older ones can no longer be undone


@dataclass(frozen=True)
class Step:
    """One line of the undo menu."""

    text: str
    before: Session
    after: Session
    merge_key: Hashable


class History:
    """The current document and the way back and forth."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def session(self) -> Session:
        """The document as it is now."""
        return self._session

    @property
    def undo_text(self) -> str:
        """What undo would take back, or "" when there is nothing to undo."""
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        """What redo would do again, or "" when there is nothing to redo."""
        return self._undone[-1].text if self._undone else ""

    def do(self, edit: Edit) -> Session:
        """Apply `edit`. One that changes nothing leaves no trace; an undoable one ends what could be redone."""
        before, after = self._session, edit.apply(self._session)
        if after == before:
            return self._session
        self._session = after
        if edit.undoable:
            self._undone.clear()
            self._record(Step(edit.text, before, after, edit.merge_key))
        return after

    def undo(self) -> Session:
        """Take back the last step; with none, nothing happens."""
        if self._done:
            step = self._done.pop()
            self._undone.append(step)
            self._session = _carry_over(self._session, step.after, step.before)
        return self._session

    def redo(self) -> Session:
        """Do the step again that was undone last; with none, nothing happens."""
        if self._undone:
            step = self._undone.pop()
            self._done.append(replace(step, merge_key=None))  # a finished gesture does not go on
            self._session = _carry_over(self._session, step.before, step.after)
        return self._session

    def _record(self, step: Step) -> None:
        last = self._done[-1] if self._done else None
        if last is not None and step.merge_key is not None and last.merge_key == step.merge_key:
            self._done.pop()
            step = replace(step, before=_carry_over(step.before, last.after, last.before))
            if _changes(step.before, step.after) == {}:
                return  # the drag came back to where it began
        self._done.append(step)
        del self._done[:-LONGEST]


def _changes(old: Session, new: Session) -> dict[str, object]:
    """The fields of `new` that differ from those of `old`."""
    return {
        field.name: getattr(new, field.name)
        for field in fields(Session)
        if getattr(new, field.name) != getattr(old, field.name)
    }


def _carry_over(session: Session, old: Session, new: Session) -> Session:
    """`session` with the change from `old` to `new` made to it."""
    changes = {
        name: _merged(getattr(session, name), getattr(old, name), value) if isinstance(value, Mapping) else value
        for name, value in _changes(old, new).items()
    }
    return replace(session, **changes)  # type: ignore[arg-type]


def _merged(items: Mapping[Any, Any], old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    """`items` with the entries put in, replaced and taken away that make `old` to `new`."""
    changed = {key for key in old.keys() | new.keys() if key not in old or key not in new or old[key] != new[key]}
    return {key: value for key, value in items.items() if key not in changed} | {
        key: new[key] for key in new if key in changed
    }
