"""Apollo's end-to-end SAEs: `samples_{n}.pt`, one state dict for the SAEs at several hooks, and `final_config.yaml`.

    f = relu(x W_enc + b_enc),   x̂ = f W_dec / ‖W_dec‖ + b_dec

Nothing is subtracted, and decoder rows have unit norm whatever their stored norm is. The keys begin with TransformerLens' name
of the hook, "-" for "."; `samples_400000.pt#blocks-6-hook_resid_pre` is the SAE of one. The model was loaded with
TransformerLens' default processing, so residuals are centred.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, measure, several, stored_dtype
from semascope.core.saes.formats.said import said_section, said_text
from semascope.core.saes.formats.torch_weights import candidates, header, prefixed
from semascope.core.saes.hooks import Place, from_transformer_lens, place_problems

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "final_config.yaml"
_FILE = r"samples_\d{1,12}\.pt"
_ENCODER = "encoder.0.weight"
_TABLE: Table = {
    "W_enc": Stored(_ENCODER, ("m", "d_in")),
    "b_enc": Stored("encoder.0.bias", ("m",)),
    "W_dec": Stored("decoder.weight", ("d_in", "m")),
    "b_dec": Stored("decoder.bias", ("d_in",)),
}


def recognise(folder: Folder) -> str:
    """Apollo's by a key that begins with a hook's name."""
    for name in candidates(folder, _FILE):
        if hooks := _hooks(folder, name):
            return f"{hooks[0]}.{_ENCODER} in {name}"
    return ""


def members(folder: Folder) -> tuple[str, ...]:
    """Every SAE of every file; a file that holds one stands for it."""
    found: list[str] = []
    for name in candidates(folder, _FILE):
        hooks = _hooks(folder, name)
        found += [f"{name}#{hook}" for hook in hooks] if len(hooks) > 1 else [name] * len(hooks)
    return tuple(found)


def describe(folder: Folder) -> Layout:
    """The SAE of one hook."""
    name, hook = _one(folder)
    tensors = folder.header(name)
    table = prefixed(_TABLE, f"{hook}.")
    lengths = measure(tensors, table, name)
    settings = folder.yaml(CONFIG) if CONFIG in folder.names else Fields({}, CONFIG)
    model = said_text(settings, "tlens_model_name")
    place = _place(hook, settings, model)
    sae = SAEConfig(
        format="apollo_e2e",
        architecture="standard",
        activation="relu",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=model,
        processing="folded",
        heads=place.hook is not None and place.hook.site == "attn_z",
        dtype=stored_dtype(tensors, table),
        metadata=settings.content,
        notes=(
            "Its decoder rows are scaled to unit norm, as its library does whenever it runs.",
            "Its library loads the model with TransformerLens' default processing: residuals are centred.",
        ),
        problems=tuple(place_problems(place)),
    )
    files = (*((folder.file(CONFIG),) if CONFIG in folder.names else ()), folder.file(name))
    part = hook if len(_hooks(folder, name)) > 1 else ""
    return Layout(sae, folder.file(name), files, table, _unit_decoder, part=part)


FAMILY = Family(
    "apollo_e2e",
    "Apollo's end-to-end SAEs",
    recognise,
    describe,
    files=("*.pt", CONFIG),
    members=members,
    releases=("ApolloResearch/e2e_sae: runs of sparsify/gpt2",),
    rule=(
        "samples_*.pt beside final_config.yaml; a file may hold SAEs at several hooks, each a member FILE#HOOK. Decoder rows"
        " have unit norm, and residuals are centred."
    ),
)


def _hooks(folder: Folder, name: str) -> list[str]:
    """The hooks whose SAEs a file holds, as its keys write them."""
    tensors = header(folder, name)
    return [key.removesuffix(f".{_ENCODER}") for key in tensors if key.endswith(f".{_ENCODER}") and "-" in key]


def _one(folder: Folder) -> tuple[str, str]:
    """The file and hook that are meant.

    Raises:
        UserError: There are several, or there is none of that name.
    """
    found = [(name, hook) for name in candidates(folder, _FILE) for hook in _hooks(folder, name)]
    meant = [pair for pair in found if folder.part in ("", pair[1], pair[1].rpartition(".")[2])]
    if not meant:
        raise UserError(
            f"{folder.chosen} holds no SAE of the name “{folder.part[:80]}”.",
            f"It holds {', '.join(hook for _, hook in found[:20])}.",
        )
    if len(meant) > 1:
        raise several(folder, members(folder))
    return meant[0]


def _place(hook: str, settings: Fields, model: str) -> Place:
    """The hook point of a key's beginning ("blocks-6-hook_resid_pre", perhaps below "saes.")."""
    key = hook.rpartition(".")[2]
    positions = said_section(settings, "saes").content.get("sae_positions")
    names = [name for name in positions if isinstance(name, str)] if isinstance(positions, list) else []
    name = next((name for name in names if name.replace(".", "-") == key), key.replace("-", "."))
    return from_transformer_lens(name, model)


def _unit_decoder(tensors: dict[str, Tensor]) -> None:
    """Decoder rows of unit norm; a row of zeros stays one."""
    tensors["W_dec"] = tensors["W_dec"] / tensors["W_dec"].norm(dim=-1, keepdim=True).clamp_min(1e-12)
