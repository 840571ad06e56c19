"""Where the files lie that a session refers to.

A reference's path is absolute, or names a part of the embedded demo ("demo:model", "demo:sae", "demo:harvest",
"demo:corpus"), which every installation keeps in its own place. So the demo's session, and a person's copy of it, open on
any machine.
"""

from __future__ import annotations

from pathlib import Path

from semascope import paths
from semascope.core.foreign.parts import is_there
from semascope.core.session.document import Kind, Reference

_SCHEME = "demo:"


def demo_place(kind: Kind) -> Path | None:
    """The demo's model, SAE, harvest or corpus here; None for the model when it has not been fetched."""
    if kind == "model":
        return paths.demo_model()
    return paths.demo_dir() / {"sae": "sae", "harvest": "harvest", "corpus": "corpus/sample.jsonl"}[kind]


def locate(reference: Reference) -> Path | None:
    """Where `reference` should be, whether or not anything is there; None when this installation has no such place."""
    if reference.path == _SCHEME + reference.kind:
        return demo_place(reference.kind)
    path = Path(reference.path)
    return path if path.is_absolute() else None


def present(reference: Reference) -> bool:
    """Whether something is where `reference` says."""
    place = locate(reference)
    return place is not None and is_there(place)


def refer_to(path: Path, sha256: str, name: str, kind: Kind) -> Reference:
    """The reference for a path that was opened: one that travels if it is the demo's, an absolute one otherwise."""
    path = path.absolute()
    demo = demo_place(kind)
    if demo is not None and demo.exists() and path.exists() and path.samefile(demo):
        return Reference(_SCHEME + kind, sha256, name, kind)
    return Reference(str(path), sha256, name, kind)
