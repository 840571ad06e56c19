"""How the SAEs of a release stand in a tree: by where they read, or as their folders lie. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from semascope.core.models.hookpoint import SITES
from semascope.core.saes.formats.layout import natural
from semascope.core.saes.release import Found
from semascope.ui.shell import words

By = Literal["hook", "folder"]
Key = tuple[object, ...]

_LAYER = re.compile(r"(?:layers?|l|blocks?|h)[_\-.]?0*(\d{1,4})", re.IGNORECASE)
_UNKNOWN = "Hook point not known"
_SITE_ORDER = {site: place for place, site in enumerate(SITES)}


@dataclass(frozen=True)
class Branch:
    """A step of the way down to an SAE: what to sort it by, and what it is called."""

    key: Key
    name: str


def branches(found: Found, by: By) -> tuple[Branch, ...]:
    """The groups that an SAE stands in, from the outermost, and last itself."""
    if by == "folder":
        return tuple(_by_name(part) for part in found.place or (found.path.name,))
    if not found.site:
        return (Branch((len(SITES), _UNKNOWN), _UNKNOWN), _by_name("/".join(found.place) or found.path.name))
    order = (_SITE_ORDER.get(found.site.rpartition(".")[2], len(SITES)), found.site)
    site = Branch(order, found.site)
    if found.layer is None:
        return (site, _by_name(_rest(found)))
    return (site, Branch((found.layer,), f"Layer {found.layer}"), _by_name(_rest(found)))


def _by_name(name: str) -> Branch:
    return Branch((tuple(natural(name)), name), name)


def _rest(found: Found) -> str:
    """What the path says besides the layer, which stands above."""
    said = [part for part in found.place if not _says_layer(part, found.layer)]
    return "/".join(said) or "/".join(found.place) or found.path.name


def _says_layer(part: str, layer: int | None) -> bool:
    match = _LAYER.fullmatch(part)
    return match is not None and int(match[1]) == layer


def cells(found: Found) -> tuple[str, ...]:
    """The columns beside the name: kind, where it reads, features, L0, memory."""
    if found.problem:
        return ("can't be opened", "", "", "", "")
    crossing = f" → {found.hook_out}" if found.hook_out not in ("", found.hook_point) else ""
    return (
        f"{words.architecture(found.architecture)} · {found.title}",
        f"{found.hook_point}{crossing}" or "not known",
        f"{found.features:,}",
        f"{found.l0:g}" if found.l0 is not None else "",
        words.bytes_(found.bytes),
    )


def matches(found: Found, text: str) -> bool:
    """Whether every word of `text` occurs in what is said about an SAE."""
    if not text:
        return True
    said = " ".join(("/".join(found.place), *cells(found))).lower()
    return all(word in said for word in text.lower().split())
