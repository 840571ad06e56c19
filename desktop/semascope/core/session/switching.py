"""The edits that open, switch between and close a session's dictionaries. None is a step in the history.

A dictionary is an SAE with the harvest that was made with it. Switching parks the feature that was selected and shows the
one that the other was left at; search and order stay, so that the same words are looked for in all.
"""

from __future__ import annotations

from dataclasses import replace

from semascope.core.session.document import Dictionary, Reference, Session
from semascope.core.session.edits import Edit, changed


def open_dictionary(sae: Reference | None = None, harvest: Reference | None = None, *, switch: bool = True) -> Edit:
    """Open an SAE, or a harvest with the SAE it was made with, beside what is open.

    One that is open already gets these references where they are given; it is told by the SAE's fingerprint.

    Args:
        sae, harvest: At least one of them.
        switch: Whether it becomes the current one.
    """

    def apply(session: Session) -> Session:
        key = Dictionary(sae, harvest).key
        known = next((each for each in session.dictionaries if _is_meant(each, key, sae)), None)
        opened = Dictionary(sae, harvest)
        if known is not None:
            opened = replace(known, sae=sae or known.sae, harvest=harvest or known.harvest)
        every = tuple(opened if each is known else each for each in session.dictionaries)
        every = every if known else (*every, opened)
        if known is not None and known.key == session.key:
            return changed(session, sae=opened.sae, harvest=opened.harvest, dictionaries=every)
        session = changed(session, dictionaries=every)
        return _switch(session, opened) if switch or not session.key else session

    return Edit(f"Open the {'SAE' if harvest is None else 'harvest'}", apply, undoable=False)


def _is_meant(known: Dictionary, key: str, sae: Reference | None) -> bool:
    """Whether a dictionary is the one with this key; a reference may be from before its fingerprint was known."""
    if known.key == key:
        return True
    return known.sae is not None and sae is not None and not known.sae.sha256 and known.sae.path == sae.path


def use(key: str, selected: int | None = None) -> Edit:
    """Make another open dictionary the current one, at the feature it was left at or at `selected`."""

    def apply(session: Session) -> Session:
        wanted = next((each for each in session.dictionaries if each.key == key), None)
        if wanted is None:
            return session
        if key != session.key:
            session = _switch(session, wanted)
        return session if selected is None else changed(session, selected=selected)

    return Edit("Switch to another SAE", apply, undoable=False)


def close_dictionary(key: str) -> Edit:
    """Close a dictionary: the one after it becomes current. What was written about its features stays."""

    def apply(session: Session) -> Session:
        place = next((i for i, each in enumerate(session.dictionaries) if each.key == key), None)
        if place is None:
            return session
        left = tuple(each for each in session.dictionaries if each.key != key)
        if key != session.key:
            return changed(session, dictionaries=left)
        following = left[min(place, len(left) - 1)] if left else Dictionary()
        return changed(
            session, dictionaries=left, sae=following.sae, harvest=following.harvest, selected=following.selected
        )

    return Edit("Close the SAE", apply, undoable=False)


def _switch(session: Session, to: Dictionary) -> Session:
    """`session` at another of its dictionaries, and what was selected in the one that is left."""
    every = tuple(
        replace(each, selected=session.selected) if each.key == session.key else each for each in session.dictionaries
    )
    return changed(session, dictionaries=every, sae=to.sae, harvest=to.harvest, selected=to.selected)


def list_all(every: bool) -> Edit:
    """List the features of all dictionaries, or of the current one."""
    return Edit("List all", lambda session: changed(session, list_all=every), undoable=False)
