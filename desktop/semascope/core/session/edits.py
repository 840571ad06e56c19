"""How a session changes: every action of a person is one small value that says its name and makes the new document.

An `Edit` knows nothing of undo (`history` does) or of files. Edits that show something else without changing what a
person made (selecting, searching, sorting, opening) are not undoable: Ctrl+Z must never be spent on them. The two kinds
touch different fields of the document, which is what lets `history` undo the one without disturbing the other.

Several edits of one gesture, such as a slider drag or a burst of typing, are given the same `gesture` and become one
step; without one, every edit is a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from semascope.core.saes.checked import Check
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.session.document import (
    Answer,
    Dictionary,
    FeatureNote,
    Kind,
    Mode,
    Notes,
    Pin,
    Reference,
    Session,
    SteerSettings,
    frozen_map,
)


@dataclass(frozen=True)
class Edit:
    """One change.

    Attributes:
        text: What the undo menu calls it ("Label feature 12").
        apply: Makes the new document from the old one; the very same object where nothing changes.
        merge_key: Consecutive edits with an equal key merge into one step; None never merges.
        undoable: Whether it takes a step in the history.
    """

    text: str
    apply: Callable[[Session], Session]
    merge_key: Hashable = None
    undoable: bool = True


# --- what a person writes about features ---------------------------------------------------------------------------


def set_label(feature: int, label: str, gesture: Hashable = None) -> Edit:
    """Name a feature; "" takes the name away."""
    return _note_edit("Label", feature, lambda note: replace(note, label=label.strip()), gesture)


def set_tags(feature: int, tags: tuple[str, ...], gesture: Hashable = None) -> Edit:
    """Give a feature these tags, without blanks and doubles, in the order given."""
    clean = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    return _note_edit("Tag", feature, lambda note: replace(note, tags=clean), gesture)


def set_notes(feature: int, notes: str, gesture: Hashable = None) -> Edit:
    """Write the free text kept about a feature."""
    return _note_edit("Write about", feature, lambda note: replace(note, notes=notes), gesture)


def _note_edit(verb: str, feature: int, change: Callable[[FeatureNote], FeatureNote], gesture: Hashable) -> Edit:
    def apply(session: Session) -> Session:
        note = change(session.note(feature))
        if note == session.note(feature):
            return session
        notes = dict(session.current_notes)
        if note == FeatureNote():
            del notes[feature]
        else:
            notes[feature] = note
        return _with_notes(session, notes)

    return Edit(f"{verb} feature {feature}", apply, _key(verb, feature, gesture=gesture))


def _with_notes(session: Session, notes: Notes) -> Session:
    every = {key: value for key, value in session.notes.items() if key != session.dictionary}
    return replace(session, notes=every | ({session.dictionary: frozen_map(notes)} if notes else {}))


# --- pins and their sliders ----------------------------------------------------------------------------------------


def pin(feature: int, strength: float = 0.0, mode: Mode = "clamp") -> Edit:
    """Put a feature at the end of the pins; one that is pinned already stays as it is."""

    def change(pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        return pins if any(p.feature == feature for p in pins) else (*pins, Pin(feature, strength, mode))

    return _pins_edit(f"Pin feature {feature}", change)


def unpin(feature: int) -> Edit:
    """Take a feature off the pins."""
    return _pins_edit(f"Unpin feature {feature}", lambda pins: tuple(p for p in pins if p.feature != feature))


def clear_pins() -> Edit:
    """Take every feature off the pins."""
    return _pins_edit("Unpin all features", lambda _: ())


def move_pin(feature: int, place: int) -> Edit:
    """Move a pin to `place` (0 is first)."""

    def change(pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        moved = [p for p in pins if p.feature == feature]
        others = [p for p in pins if p.feature != feature]
        at = max(0, min(place, len(others)))
        return (*others[:at], *moved, *others[at:])

    return _pins_edit(f"Move feature {feature}", change)


def set_strength(feature: int, strength: float, gesture: Hashable = None) -> Edit:
    """Move a pinned feature's slider."""
    return _pin_edit(f"Steer feature {feature}", feature, gesture, lambda p: replace(p, strength=float(strength)))


def set_mode(feature: int, mode: Mode) -> Edit:
    """Choose what a pinned feature's slider does."""
    return _pin_edit(f"Change how feature {feature} is steered", feature, None, lambda p: replace(p, mode=mode))


def set_enabled(feature: int, enabled: bool) -> Edit:
    """Mute or unmute a pinned feature."""
    text = f"{'Unmute' if enabled else 'Mute'} feature {feature}"
    return _pin_edit(text, feature, None, lambda p: replace(p, enabled=enabled))


def solo(feature: int) -> Edit:
    """Mute every pinned feature but this one; when it is alone already, unmute them all."""

    def change(pins: tuple[Pin, ...]) -> tuple[Pin, ...]:
        alone = all(p.enabled == (p.feature == feature) for p in pins) and len(pins) > 1
        return tuple(replace(p, enabled=alone or p.feature == feature) for p in pins)

    return _pins_edit(f"Solo feature {feature}", change)


def reset_strengths() -> Edit:
    """Put every slider back to nothing: strength 0, unmuted, and clamped where it was ablated."""

    def reset(pin: Pin) -> Pin:
        return replace(pin, strength=0.0, enabled=True, mode="clamp" if pin.mode == "ablate" else pin.mode)

    return _pins_edit("Reset all sliders", lambda pins: tuple(reset(pin) for pin in pins))


def _pin_edit(text: str, feature: int, gesture: Hashable, change: Callable[[Pin], Pin]) -> Edit:
    return _pins_edit(
        text,
        lambda pins: tuple(change(p) if p.feature == feature else p for p in pins),
        _key(text, gesture=gesture),
    )


def _pins_edit(text: str, change: Callable[[tuple[Pin, ...]], tuple[Pin, ...]], merge_key: Hashable = None) -> Edit:
    def apply(session: Session) -> Session:
        pins = change(session.current_pins)
        if pins == session.current_pins:
            return session
        every = {key: value for key, value in session.pins.items() if key != session.dictionary}
        return replace(session, pins=every | ({session.dictionary: pins} if pins else {}))

    return Edit(text, apply, merge_key)


# --- prompts, steering and answers ---------------------------------------------------------------------------------


def set_prompt(text: str, chat: bool | None = None, gesture: Hashable = None) -> Edit:
    """Write in the prompt panel; `chat` None leaves the template switch as it is."""

    def apply(session: Session) -> Session:
        return changed(session, prompt=text, prompt_chat=session.prompt_chat if chat is None else chat)

    return Edit("Change the prompt", apply, _key("prompt", gesture=gesture))


def keep_prompt(text: str) -> Edit:
    """Keep a prompt for later; one that is kept already moves to the end."""

    def apply(session: Session) -> Session:
        kept = (*(prompt for prompt in session.prompts if prompt != text), text)
        return changed(session, prompts=kept)

    return Edit("Keep the prompt", apply)


def forget_prompt(text: str) -> Edit:
    """Take a prompt off those kept."""
    return Edit(
        "Forget a prompt", lambda session: changed(session, prompts=tuple(p for p in session.prompts if p != text))
    )


def set_steer(settings: SteerSettings, gesture: Hashable = None) -> Edit:
    """Change the steering panel's prompt or how answers are sampled."""
    return Edit(
        "Change the steering settings",
        lambda session: changed(session, steer=settings),
        _key("steer", gesture=gesture),
    )


def add_answer(answer: Answer) -> Edit:
    """Keep an answer."""
    return Edit("Keep an answer", lambda session: changed(session, answers=(*session.answers, answer)))


def remove_answer(index: int) -> Edit:
    """Drop the answer at `index`; one that is not there is nothing to do."""

    def apply(session: Session) -> Session:
        return changed(session, answers=tuple(a for i, a in enumerate(session.answers) if i != index))

    return Edit("Remove an answer", apply)


# --- how SAEs are read ---------------------------------------------------------------------------------------------


def read_as(fingerprint: str, reading: Reading, check: Check | None = None, made: str = "") -> Edit:
    """Read an SAE otherwise than its files say; an empty reading is as they say.

    Args:
        fingerprint: The SAE's.
        reading: How it is read from now on.
        check: The self-check it was chosen by.
        made: The day it was chosen, "2026-11-22".
    """
    kept = KeptReading(reading, check, made)
    return Edit(
        "Read the SAE otherwise",
        lambda session: changed(session, readings={**session.readings, fingerprint: kept}),
    )


def adopt_reading(fingerprint: str, kept: KeptReading) -> Edit:
    """Take over how an SAE is read that was chosen in another session; where this one has its own, that stays."""

    def apply(session: Session) -> Session:
        return changed(session, readings={fingerprint: kept, **session.readings})

    return Edit("Read the SAE as before", apply, undoable=False)


def take_reading(fingerprint: str, kept: KeptReading) -> Edit:
    """Say how an SAE is read that was opened so, or that could not be read as was chosen."""
    return Edit(
        "Open the SAE",
        lambda session: changed(session, readings={**session.readings, fingerprint: kept}),
        undoable=False,
    )


def keep_check(fingerprint: str, check: Check) -> Edit:
    """Keep the last self-check of an SAE."""
    return Edit(
        "Keep the self-check",
        lambda session: changed(session, checks={**session.checks, fingerprint: check}),
        undoable=False,
    )


# --- what is looked at: no step in the history ---------------------------------------------------------------------


def refer(kind: Kind, reference: Reference | None) -> Edit:
    """Refer to another model or corpus, or to another SAE or harvest of the current dictionary; None to none."""
    text = f"{'Open' if reference else 'Close'} the {kind if kind != 'sae' else 'SAE'}"

    def apply(session: Session) -> Session:
        if kind not in ("sae", "harvest"):
            return changed(session, **{kind: reference})
        sae = reference if kind == "sae" else session.sae
        harvest = reference if kind == "harvest" else session.harvest
        key = Dictionary(sae, harvest).key
        others = (
            replace(each, sae=sae, harvest=harvest) if each.key == session.key else each
            for each in session.dictionaries
            if each.key == session.key or each.key != key
        )
        return changed(session, sae=sae, harvest=harvest, dictionaries=tuple(each for each in others if each.key))

    return Edit(text, apply, undoable=False)


def select(feature: int | None) -> Edit:
    """Show another feature."""
    text = "Select nothing" if feature is None else f"Select feature {feature}"
    return Edit(text, lambda session: changed(session, selected=feature), undoable=False)


def search(text: str) -> Edit:
    """Type in the features panel's search bar."""
    return Edit("Search", lambda session: changed(session, search=text), undoable=False)


def sort(column: str, descending: bool) -> Edit:
    """Sort the features panel."""
    return Edit("Sort", lambda session: changed(session, sort=(column, descending)), undoable=False)


def changed(session: Session, **fields: object) -> Session:
    """`session` with these fields, or itself where they hold these values already."""
    if all(getattr(session, name) == value for name, value in fields.items()):
        return session
    return replace(session, **fields)  # type: ignore[arg-type]


def _key(*what: Hashable, gesture: Hashable) -> Hashable:
    return None if gesture is None else (*what, gesture)
