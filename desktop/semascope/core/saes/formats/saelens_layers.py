"""Folders in SAELens' manner of dictionaries of several hook points, for which SAELens has no architecture of its own.

Written by `saes.save`: `cfg.json` counts `encoders` and `places`, its metadata has all hook points, and the tensors have the
names that `LayeredSAE` takes: W_enc.3, b_enc.3, threshold.3, W_dec.3.5 (from encoder 3 to place 5), b_dec.5, W_skip.3, centre.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.core.saes.config import Kind, SAEConfig
from semascope.core.saes.facts import with_facts
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Layout, Stored, check_k, measure
from semascope.core.saes.formats.multi import largest

_KINDS: tuple[Kind, ...] = ("transcoder_set", "cross_layer_transcoder", "crosscoder")
_MOST = 1000  # layers of a model
_ALL = "d_in.all"  # an axis with the widths of all places

ARCHITECTURES = {
    architecture_name(activation, kind=kind, skip=skip): (activation, kind, skip)
    for activation in ("relu", "jumprelu", "topk")
    for kind in _KINDS
    for skip in (False, True)
}
"""From the name of an architecture to its activation, what it is used in, and whether there are skip connections."""

_NUMBER = "0|[1-9][0-9]{0,3}"  # which has one way to be written
_NAME = re.compile(
    rf"(W_enc|b_enc|threshold|selection_weight|b_dec|W_skip)\.({_NUMBER})|W_dec\.({_NUMBER})\.({_NUMBER})|centre"
)


def describe_layers(folder: Folder, config: Fields, about: Fields, weights: str, structure: set[str]) -> Layout:
    """A dictionary of several hook points; `weights` is its file, `structure` the settings that are no metadata."""
    activation, kind, skip = ARCHITECTURES[config.text("architecture")]
    header = folder.header(weights)
    table = _table(header, weights)
    lengths = measure(header, table, weights)
    encoders, places = config.whole("encoders") or 0, config.whole("places") or 0
    _check(table, lengths, encoders, places, jumps=activation == "jumprelu", weights=weights)
    smallest = min(length for axis, length in lengths.items() if axis.startswith("m."))
    sae = SAEConfig(
        format="saelens",
        architecture=config.text("architecture"),
        activation=activation,
        d_in=lengths[_ALL] // places if "d_in" not in lengths else lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=largest(lengths),
        kind=kind,
        encoders=encoders,
        places=places,
        model_name=about.text("model_name"),
        prepend_bos=about.maybe_flag("prepend_bos"),
        k=check_k(config.whole("k"), smallest, config.source) if activation == "topk" else None,
        normalize=config.text("normalize_activations", "none"),
        skip=skip,
        dtype=FLOATS[next(header[stored.name].dtype for ours, stored in table.items() if ours.startswith("W_dec"))],
        metadata={
            name: value for name, value in about.content.items() if name not in {*structure, "encoders", "places"}
        },
    )
    files = tuple(folder.file(name) for name in (config.source, weights))
    return Layout(with_facts(sae, about), folder.file(weights), files, table)


def _table(header: Mapping[str, TensorInfo], weights: str) -> dict[str, Stored]:
    """Where each tensor is; an encoder of all places has their widths in one axis."""
    table: dict[str, Stored] = {}
    narrow = [info.shape[0] for name, info in header.items() if name.startswith("b_dec.") and info.shape]
    for name in header:
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(f"{weights} has a tensor {name[:40]}, which is not known.", "Copy the whole folder again.")
        m = f"m.{match[2] or match[3]}"
        table[name] = Stored(
            name,
            {
                "W_enc": (_width(header[name], narrow), m),
                "W_dec": (m, "d_out"),
                "b_dec": ("d_out",),
                "W_skip": ("d_in", "d_out"),
                "centre": (_ALL,),
            }.get(name.partition(".")[0], (m,)),
        )
    return table


def _width(info: TensorInfo, narrow: Sequence[int]) -> str:
    """The first axis of an encoder: of all places where it reads all places, each as wide as what is written there."""
    return _ALL if len(narrow) > 1 and info.shape[:1] == (sum(narrow),) else "d_in"


def _check(
    table: Mapping[str, Stored], lengths: Mapping[str, int], encoders: int, places: int, *, jumps: bool, weights: str
) -> None:
    """Refuse what doesn't make a dictionary together."""
    few = 0 < encoders <= _MOST and 0 < places <= _MOST
    wanted = {f"b_enc.{e}" for e in range(encoders)} | {f"b_dec.{w}" for w in range(places)} if few else set()
    wanted |= {f"threshold.{e}" for e in range(encoders)} if few and jumps else set()
    written = {tuple(map(int, name.split(".")[1:])) for name in table if name.startswith("W_dec.")}
    by_place = {int(name.partition(".")[2]) for name in table if name.startswith(("b_dec.", "W_skip."))}
    by_encoder = {
        int(name.partition(".")[2])
        for name in table
        if name.startswith(("W_enc.", "b_enc.", "threshold.", "selection_weight."))
    }
    if (
        not few
        or not {*wanted, "W_enc.0"} <= table.keys()
        or {e for e, _ in written} != set(range(encoders))
        or not {w for _, w in written} | by_place <= set(range(places))
        or not by_encoder <= set(range(encoders))
        or any(f"W_enc.{e}" not in table and lengths[f"m.{e}"] != lengths["m.0"] for e in range(encoders))
        or lengths.get(_ALL, 0) % places
        or lengths.get(_ALL, 0) not in (0, lengths.get("d_in", lengths.get(_ALL, 0) // places) * places)
        or ("d_in" in lengths and encoders > places)
    ):
        raise UserError(
            f"{weights} does not hold the {encoders} encoders and {places} places that its settings name.",
            "Copy the whole folder again.",
        )
