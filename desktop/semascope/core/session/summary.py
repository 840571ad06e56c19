"""What a session holds, for `semascope session`: as one JSON document, and as lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semascope.core.errors import UserError
from semascope.core.harvest.store import Harvest
from semascope.core.session.document import KINDS, Reference, Session
from semascope.core.session.file import read_session
from semascope.core.session.places import locate, present


def summarise(path: str | Path) -> dict[str, Any]:
    """Everything worth telling about the session in `path`.

    Returns:
        {path, model, sae, harvest, corpus: null or {name, path, exists, sha256}, dictionaries: [{sae, harvest: as before,
        current}], pins: [{feature, label, strength, mode, enabled}], labels: {feature: label}, notes (how many features have
        one), prompt, prompts: [str], steer: {…}, selected, answers (how many)}. Pins, labels and notes are the current
        dictionary's. Labels are the person's own, else those that ship with the harvest.

    Raises:
        UserError: It is no session, damaged, or from a newer version.
    """
    session = read_session(path)
    shipped = _shipped_labels(session)
    return {
        "path": str(path),
        **{kind: _file(getattr(session, kind)) for kind in KINDS},
        "dictionaries": [
            {"sae": _file(each.sae), "harvest": _file(each.harvest), "current": each.key == session.key}
            for each in session.dictionaries
        ],
        "pins": [
            {
                "feature": pin.feature,
                "label": session.note(pin.feature).label or shipped.get(pin.feature, ""),
                "strength": pin.strength,
                "mode": pin.mode,
                "enabled": pin.enabled,
            }
            for pin in session.current_pins
        ],
        "labels": {str(i): note.label for i, note in sorted(session.current_notes.items()) if note.label},
        "notes": len(session.current_notes),
        "prompt": session.prompt,
        "prompts": list(session.prompts),
        "steer": {
            "prompt": session.steer.prompt,
            "chat": session.steer.chat,
            "max_tokens": session.steer.max_tokens,
            "temperature": session.steer.temperature,
            "seed": session.steer.seed,
        },
        "selected": session.selected,
        "answers": len(session.answers),
    }


def lines(summary: dict[str, Any]) -> list[str]:
    """The summary in a dozen lines of text."""
    text = [f"Session {summary['path']}"]
    for kind in KINDS:
        if (file := summary[kind]) is not None:
            where = file["path"] + ("" if file["exists"] else "  (not there)")
            text.append(f"  {kind if kind != 'sae' else 'SAE':8} {file['name']}  {where}")
    for other in summary["dictionaries"]:
        if not other["current"]:
            names = [other[kind]["name"] for kind in ("sae", "harvest") if other[kind] is not None]
            text.append(f"  beside   {' with the harvest '.join(names)}")
    for pin in summary["pins"]:
        state = "" if pin["enabled"] else "  muted"
        text.append(f"  pinned   {pin['feature']:>7}  {pin['mode']} {pin['strength']:g}{state}  {pin['label']}")
    text.append(
        f"  {len(summary['labels'])} labels of your own, {summary['notes']} features with notes, {summary['answers']} answers"
    )
    text.extend(
        f"  prompt   {_one_line(prompt)}"
        for prompt in dict.fromkeys((summary["prompt"], *summary["prompts"]))
        if prompt
    )
    return text


def _file(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {
        "name": reference.name,
        "path": str(locate(reference) or reference.path),
        "exists": present(reference),
        "sha256": reference.sha256,
    }


def _shipped_labels(session: Session) -> Mapping[int, str]:
    """The labels that come with the harvest; a harvest that is gone or damaged has none to give."""
    place = locate(session.harvest) if session.harvest else None
    if place is None or not place.exists():
        return {}
    try:
        return Harvest.open(place).labels
    except UserError:
        return {}


def _one_line(text: str, longest: int = 80) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
