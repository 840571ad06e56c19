"""A first guess at which tensor of unknown files is which part of an SAE: by names, shapes and settings lying beside them.

What it gives is for a person to look through and for the self-check to try, never to be believed as it is. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import FLOATS, TensorInfo
from semascope.core.saes.formats.layout import Stored, natural
from semascope.core.saes.hooks import from_transformer_lens
from semascope.core.saes.tensor_map import LAYER, ROLES, TensorMap
from semascope.core.saes.tensor_shapes import Headers, resolved

TENSOR_FILES = (".safetensors", ".npz", *TORCH_FILES)
"""How the names of files that hold tensors end."""

_MOST_FILES = 200
_SETTINGS = ("config.json", "cfg.json", "sae_config.json", "hyperparams.json", "args.json", "settings.json")
_ABOVE = re.compile(
    r"^(?:_orig_mod|module|model|state_dict|model_state_dict|sae|ae|autoencoder|params|weights)\.", re.ASCII
)
_ACTIVATIONS = {
    "relu": "relu", "standard": "relu", "vanilla": "relu", "jumprelu": "jumprelu", "jump_relu": "jumprelu",
    "topk": "topk", "top_k": "topk", "batchtopk": "topk", "batch_topk": "topk", "gated": "gated",
    "abstopk": "abstopk", "groupmax": "groupmax",
}  # fmt: skip


def tensor_headers(folder: Folder) -> dict[str, Mapping[str, TensorInfo]]:
    """The tensors of each file in a folder that can be read as data, or of the one file chosen in it, in natural order."""
    names = [folder.chosen] if folder.chosen else sorted(folder.names, key=natural)
    found: dict[str, Mapping[str, TensorInfo]] = {}
    for name in [name for name in names if name.endswith(TENSOR_FILES)][:_MOST_FILES]:
        try:
            header = folder.header(name)
        except UserError:
            continue  # what can't be read can't be chosen
        if header:
            found[name] = header
    return found


def guess(folder: Folder, headers: Headers) -> TensorMap:
    """What the tensors most likely are; empty where nothing is like anything.

    Args:
        folder: Where they lie; its settings files say more.
        headers: Of `tensor_headers`, not empty.
    """
    file = max(headers, key=lambda name: (len(_by_name(headers[name])), -len(name)))
    tensors = _by_name(headers[file]) or {}
    _by_shape(headers[file], tensors)
    said = list(_settings(folder))
    k = next((k for each in said for name in ("k", "topk", "top_k") if (k := _whole(each, name))), None)
    activation = _activation(tensors, said, k)
    plan = TensorMap(
        weights=_pattern(file, headers),
        tensors={role: Stored(name, ()) for role, name in tensors.items()},
        activation=activation,
        k=k if activation in ("topk", "abstopk", "groupmax") else None,
        subtract_b_dec=any(each.content.get("apply_b_dec_to_input") is True for each in said)
        and "b_pre" not in tensors,
        model=next((name for each in said for name in _texts(each, "model_name", "base_model", "model")), ""),
    )
    plan = replace(plan, hook=_hook(plan, said, folder))
    return replace(plan, tensors=dict(_with_axes(plan, headers, file)))


def _by_name(header: Mapping[str, TensorInfo]) -> dict[str, str]:
    """Our names, and the tensor whose name is most like one that such a part has."""
    found: dict[str, str] = {}
    for role, part in ROLES.items():
        for name, info in header.items():
            fits = len(info.shape) == len(part.axes) or (role == "threshold" and info.shape == ())
            if role not in found and name not in found.values() and info.dtype in FLOATS and fits:
                short = name.lower()
                while (shorter := _ABOVE.sub("", short)) != short:
                    short = shorter
                if re.fullmatch(part.names, short):
                    found[role] = name
    return found


def _by_shape(header: Mapping[str, TensorInfo], found: dict[str, str]) -> None:
    """Fill in the matrices that no name gave away, where there are just two that could be encoder and decoder."""
    matrices = [name for name, info in header.items() if len(info.shape) == 2 and info.dtype in FLOATS]
    left = [name for name in matrices if name not in found.values()]
    if "W_enc" not in found and "W_dec" not in found and len(left) == 2:
        first, second = (sorted(header[name].shape) for name in left)
        if first == second:
            found["W_enc"], found["W_dec"] = left


def _with_axes(plan: TensorMap, headers: Headers, file: str) -> Iterator[tuple[str, Stored]]:
    """Every tensor with its axes: as the shapes say, else as its maker most likely meant it."""
    known = resolved(plan, headers, file)
    for role, stored in plan.tensors.items():
        if role in known:
            yield role, known[role]
            continue
        axes = ROLES[role].axes
        # A layer's weight, as PyTorch stores it, has what it gives first; a matrix by a name of its own what it reads.
        yield role, stored._replace(axes=axes[::-1] if stored.name.endswith("weight") else axes)


def _pattern(file: str, headers: Headers) -> str:
    """The file's name, with {layer} for its number where others hold the same and differ by the number only."""
    for match in reversed(list(re.finditer(r"\d{1,4}", file))):
        name = file[: match.start()] + LAYER + file[match.end() :]
        plan = TensorMap(name)
        alike = [other for other in headers if plan.layer_of(other) and headers[other].keys() == headers[file].keys()]
        if len(alike) > 1:
            return name
    return file


def _settings(folder: Folder) -> Iterator[Fields]:
    """What JSON files beside the tensors say, and sections within them; broken ones say nothing."""
    for name in _SETTINGS:
        if name in folder.names:
            try:
                whole = folder.json(name)
            except UserError:
                continue
            yield whole
            yield from (Fields(inner, name) for inner in whole.content.values() if isinstance(inner, dict))


def _texts(fields: Fields, *names: str) -> Iterator[str]:
    for name in names:
        value = fields.content.get(name)
        if isinstance(value, str) and 0 < len(value) < 200:
            yield value


def _whole(fields: Fields, name: str) -> int | None:
    value = fields.content.get(name)
    return value if type(value) is int and value > 0 else None


def _activation(tensors: Mapping[str, str], said: Sequence[Fields], k: int | None) -> str:
    if {"b_gate", "r_mag"} <= tensors.keys():
        return "gated"
    if {"threshold", "log_threshold"} & tensors.keys():
        return "jumprelu"  # a BatchTopK with a threshold too: that is how it is read
    names = (
        name.lower() for each in said for name in _texts(each, "activation", "activation_fn", "architecture", "type")
    )
    known = next((_ACTIVATIONS[name] for name in names if name in _ACTIVATIONS), "topk" if k else "relu")
    return "relu" if known == "gated" else known


def _hook(plan: TensorMap, said: Iterable[Fields], folder: Folder) -> str:
    """The hook point that the settings name, or that of the residual stream at the layer that names tell."""
    if LAYER in plan.weights:
        return f"resid_post.{LAYER}"
    for each in said:
        for name in _texts(each, "hook_name", "hook_point", "hook"):
            if (place := from_transformer_lens(name, plan.model)).hook is not None:
                return str(place.hook)
    layer = next((each.content["layer"] for each in said if type(each.content.get("layer")) is int), None)
    named = re.findall(r"(?:layer|blocks?|[_\-.]l)[_\-.]?(\d{1,3})(?!\d)", f"{folder.path.name}/{plan.weights}".lower())
    layer = layer if layer is not None else int(named[-1]) if named else None
    return f"resid_post.{layer}" if layer is not None and 0 <= layer < 1000 else ""
