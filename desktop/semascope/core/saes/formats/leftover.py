"""Tensors that an SAE's file holds and its layout does not read: some names say that the SAE computes more than is read.

A threshold, a gate or a skip connection that is left out changes every feature, and nothing else would show it. Most other
tensors that lie unread are a training run's own counts. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.saes.formats.layout import Layout

_TELLING = re.compile(r"(?:^|[._])(?:\w*threshold|\w*skip\w*|\w*gate\w*|[br]_mag|mag_bias|\w*glu\w*)$", re.IGNORECASE)
_SHOWN = 5


def with_leftovers(layout: Layout, folder: Folder) -> Layout:
    """`layout`, with a problem where the file it reads holds tensors that should count and do not."""
    if layout.weights.parent != folder.path or layout.archive_at:
        return layout
    try:
        header = folder.header(layout.weights.name)
    except UserError:
        return layout  # whoever reads it says why that can't be done
    read = {stored.name for stored in layout.table.values()}
    names = [
        name for name, info in header.items() if name not in read and info.dtype in FLOATS and _TELLING.search(name)
    ]
    names = [name for name in names if not _counted(name, layout)]
    if not names:
        return layout
    return replace(layout, config=replace(layout.config, problems=(*layout.config.problems, _sentence(names))))


def _counted(name: str, layout: Layout) -> bool:
    """Whether a tensor's value went into the description, or is left out by the SAE's own library too."""
    if not name.endswith("threshold"):
        return False
    sparse = layout.config.activation in ("topk", "abstopk", "groupmax")  # a top-k keeps one for use without k
    return sparse or name.endswith("topk_threshold")


def _sentence(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
    return (
        f"Its file also holds {shown}, which an SAE of this kind does not use and which is not read: "
        "it may be of another kind than its files say, and what is shown wrong."
    )
