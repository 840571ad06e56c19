"""OpenAI's sparse_autoencoder (GPT-2 small): `{location}/autoencoders/{layer}.pt`, a state dict that names its activation.

    f = act((x − pre_bias) W_enc + latent_bias),   x̂ = f W_dec + pre_bias

act is a ReLU, or the k largest and of those the positive ones. Dictionaries with a top-k normalise each token first, (x − mean)
/ (std + 1e-5), and undo it in the end. Activations are GPT-2's raw ones; where they are taken only the folder's name says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.torch_files import TorchFile
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, measure, stored_dtype
from semascope.core.saes.formats.torch_weights import Found, files_with, last_match, one_of, prefixed
from semascope.core.saes.hooks import Place, place_problems

_TABLE: Table = {
    "W_enc": Stored("encoder.weight", ("m", "d_in")),
    "b_enc": Stored("latent_bias", ("m",)),
    "W_dec": Stored("decoder.weight", ("d_in", "m")),
    "b_dec": Stored("pre_bias", ("d_in",)),
}
_TIED = Stored("decoder.linear.weight", ("m", "d_in"))
"""The encoder again, under this name, where the decoder is its transpose."""

_SITES = {
    "mlp_post_act": "mlp_act",
    "resid_delta_attn": "attn_out",
    "resid_post_attn": "resid_mid",
    "resid_delta_mlp": "mlp_out",
    "resid_post_mlp": "resid_post",
}
_ACTIVATIONS = {"ReLU": "relu", "TopK": "topk"}
_CONTEXT = 64


def recognise(folder: Folder) -> str:
    """OpenAI's by the tensors that no other release calls so."""
    found = _files(folder)
    return f"pre_bias and latent_bias in {found[0].name}" if found else ""


def members(folder: Folder) -> tuple[str, ...]:
    """One SAE for each layer."""
    return tuple(file.name for file in _files(folder))


def describe(folder: Folder) -> Layout:
    """One of OpenAI's SAEs."""
    name, prefix = one_of(folder, _files(folder))
    header, stored = folder.header(name), folder.torch(name)
    table = prefixed(_TABLE, prefix)
    if table["W_dec"].name not in header and prefix + _TIED.name in header:
        table["W_dec"] = _TIED._replace(name=prefix + _TIED.name)
    lengths = measure(header, table, name)
    activation = _activation(stored, prefix)
    top = activation == "topk"
    k = check_k(_k(stored, prefix), lengths["m"], name) if top else None
    place, layer = _place(folder, name)
    sae = SAEConfig(
        format="openai",
        architecture=architecture_name(activation),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name="gpt2",
        k=k,
        rectify=_setting(stored, prefix, "postact_fn") != "Identity",
        normalize="layer_norm" if top else "none",
        apply_b_dec_to_input=True,
        l0=None if k is None else float(k),
        dtype=stored_dtype(header, table),
        metadata={"context_size": _CONTEXT, **({} if layer is None else {"layer": layer})},
        notes=tuple(_notes(top)),
        problems=tuple(place_problems(place)),
    )
    file = folder.file(name)
    return Layout(sae, file, (file,), table)


FAMILY = Family(
    "openai",
    "OpenAI's SAEs of GPT-2",
    recognise,
    describe,
    files=("*.pt", "*.pth"),
    members=members,
    releases=("openai/sparse_autoencoder: {location}, {location}_v4, {location}_v5_32k, {location}_v5_128k",),
    rule=(
        "A .pt with pre_bias and latent_bias. Where it reads stands in the names of its folders"
        " (resid_post_mlp_v5_32k/autoencoders/6.pt); those with a top-k normalise each token."
    ),
)


def _files(folder: Folder) -> list[Found]:
    return files_with(folder, ("latent_bias", "pre_bias", "encoder.weight"))


def _setting(stored: TorchFile, prefix: str, name: str) -> Any:
    """A setting of the activation, which lies in a dict of its own, in the state dict, or in both."""
    content = stored.content if isinstance(stored.content, dict) else {}
    for part in prefix.split(".")[:-1]:
        content = inner if isinstance(inner := content.get(part), dict) else content
    own = content.get("activation_state_dict")
    values = (own.get(name) if isinstance(own, dict) else None,
              *(content.get(f"{above}.{name}") for above in ("activation_state_dict", "activation")))  # fmt: skip
    return next((value for value in values if value is not None), content.get(name))


def _activation(stored: TorchFile, prefix: str) -> str:
    name = _setting(stored, prefix, "activation") or "ReLU"  # what the library takes where nothing is said
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise UserError(f"{stored.path.name} names the activation function “{str(name)[:40]}”, which is not read.")
    return _ACTIVATIONS[name]


def _k(stored: TorchFile, prefix: str) -> int | None:
    said = _setting(stored, prefix, "k")
    if type(said) is int:
        return said
    tensors = (stored.number(f"{prefix}{above}.k") for above in ("activation_state_dict", "activation"))
    held = next((value for value in tensors if value is not None), None)
    return int(held) if held is not None and abs(held) < 1 << 31 else None


def _place(folder: Folder, name: str) -> tuple[Place, int | None]:
    """Where it reads, by the names of its folders, and its layer, by its own."""
    stem = name.rsplit(".", 1)[0]
    number = re.fullmatch(r"\D*(\d{1,3})", stem) or re.search(r"layer[-_]?(\d{1,3})", stem)
    layer = int(number[1]) if number else None
    location = last_match("|".join(_SITES), (folder.path / name).as_posix())
    if layer is None:
        return Place(
            None, f"Its hook point is not known: its file, {name[:80]}, is not named after a layer (6.pt)."
        ), None
    if location is None:
        said = f"Only its folder's name would say (resid_post_mlp_v5_32k); its layer is {layer}, by its own name."
        return Place(None, f"It does not say its hook point. {said}"), layer
    return Place(HookPoint(_SITES[location[0]], layer)), layer


def _notes(top: bool) -> Iterator[str]:
    if top:
        yield "Each token is normalised first, (x − mean) / std, and its reconstruction scaled back."
    yield f"It was trained on contexts of {_CONTEXT} tokens, and is weaker on longer ones."
