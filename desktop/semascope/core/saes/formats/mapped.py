"""SAEs whose tensors a person has mapped: `semascope-map.json` beside files of a format that nobody knows.

    p = (x − b_dec, where it is subtracted, − b_pre) W_enc + b_enc,  f = activation(p),  x̂ = f W_dec + b_dec (+ x W_skip)

The map (`saes.tensor_map`) says which tensor is which, and everything that files of a known format say themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.models.hookpoint import Hooks, parse_hooks
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_widths, measure, natural, several
from semascope.core.saes.tensor_map import LAYER, MAP, TOPS, TensorMap
from semascope.core.saes.tensor_shapes import faults, resolved

if TYPE_CHECKING:
    from torch import Tensor

_UNSAID = f"{MAP} does not say which layer and hook point it was made for; add “hook”, for instance “resid_post.8”."


def recognise(folder: Folder) -> str:
    """Mapped by the map; a file chosen by itself only where the map is about it."""
    if MAP not in folder.names:
        return ""
    if folder.chosen not in (None, MAP) and read_map(folder).layer_of(folder.chosen or "") is None:
        return ""
    return MAP


def members(folder: Folder) -> tuple[str, ...]:
    """The files that the map is about."""
    plan = read_map(folder)
    return tuple(sorted((name for name in folder.names if plan.layer_of(name) is not None), key=natural))


def describe(folder: Folder) -> Layout:
    """The SAE that the map makes of the file chosen, or of the one it is about."""
    plan, names = read_map(folder), members(folder)
    if folder.chosen in names:
        return mapped_layout(folder, plan, folder.chosen or "", own=True)
    if len(names) > 1:
        raise several(folder, names)
    if not names:
        raise UserError(f"{MAP} is about {plan.weights[:80]}, which is not there.", "Copy the whole folder again.")
    return mapped_layout(folder, plan, names[0], own=True)


def read_map(folder: Folder) -> TensorMap:
    """The map in a folder.

    Raises:
        UserError: It is none.
    """
    return TensorMap.from_fields(folder.json(MAP))


def mapped_layout(folder: Folder, plan: TensorMap, file: str, *, own: bool = False) -> Layout:
    """What a map makes of the file `file` in a folder; `own` when the map itself lies there too.

    Raises:
        UserError: Something is missing or does not fit; or a file isn't in the folder.
    """
    files = dict.fromkeys([file, *(stored.file for stored in plan.tensors.values() if stored.file)])
    headers = {name: folder.header(_inside(folder, name)) for name in files}
    if wrong := faults(plan, headers, file):
        raise UserError(wrong[0], f"Correct {MAP}, or map its tensors anew." if own else "")
    vectors = resolved(plan, headers, file)
    one = {role: stored._replace(axes=()) for role, stored in plan.tensors.items() if role not in vectors}
    table = {**vectors, **one}  # a threshold may be one number for all features
    lengths = measure(
        {_label(stored): headers[stored.file or file][stored.name] for stored in vectors.values()},
        {role: stored._replace(name=_label(stored)) for role, stored in vectors.items()},
        file,
    )
    lengths.setdefault("d_in", lengths.get("d_out", 0))
    lengths.setdefault("d_out", lengths["d_in"])
    layer = plan.layer_of(file) or ""
    reads, writes = (_hooks(text, layer) for text in (plan.hook, plan.hook_out))
    skip = "W_skip" in table
    transcoder = skip or lengths["d_in"] != lengths["d_out"] or writes not in ((), reads)
    check_widths(lengths, file, may_differ=transcoder and not plan.subtract_b_dec)
    main = table.get("W_dec") or table["W_enc"]
    config = SAEConfig(
        format="mapped",
        architecture=architecture_name(plan.activation, transcoder=transcoder, skip=skip),
        activation=plan.activation,
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=reads,
        writes=writes or reads,
        model_name=plan.model,
        prepend_bos=plan.prepend_bos,
        k=plan.k if plan.activation in TOPS else None,
        rectify=plan.rectify,
        normalize=plan.normalize,
        processing=plan.processing,  # type: ignore[arg-type]  # checked when the map was read
        scale=plan.scale,
        apply_b_dec_to_input=plan.subtract_b_dec,
        skip=skip,
        heads=bool(reads) and reads[0].site == "attn_z",
        l0=plan.l0,
        dtype=FLOATS[headers[main.file or file][main.name].dtype],
        notes=tuple(_notes(plan)),
        problems=() if reads else (_UNSAID,),
    )
    paths = tuple(folder.file(name) for name in (*([MAP] if own else []), *files))
    arrange = _Arrange(plan, config) if one or _arranges(plan) else None
    return Layout(config, folder.file(file), paths, table, arrange)


FAMILY = Family(
    "mapped",
    "tensors mapped by hand",
    recognise,
    describe,
    files=(MAP, "*.safetensors", "*.npz", *(f"*{suffix}" for suffix in TORCH_FILES)),
    members=members,
    releases=("any .safetensors, .npz, .pt, .pth or .bin file that holds an encoder and a decoder",),
    rule=f"`{MAP}` says which tensor is which, the activation and the hook point. In the window, “Map its tensors…” "
    "writes it; by hand it is a small JSON file (see below).",
)


def _inside(folder: Folder, name: str) -> str:
    """A file's name, if it is that of a file in the folder and of no folder below or above it."""
    if name not in folder.names:
        raise UserError(f"{MAP} names {name[:80]!r}, which is no file beside it.", "Name a file of the same folder.")
    return name


def _label(stored: Stored) -> str:
    return f"{stored.name} of {stored.file}" if stored.file else stored.name


def _hooks(text: str, layer: str) -> Hooks:
    """One hook point, with the layer put in, or ()."""
    found = parse_hooks(text.replace(LAYER, str(int(layer)) if layer else LAYER)) if text.strip() else ()
    if len(found) > 1:
        raise UserError(f"{text[:80]} is more than one hook point, which a map can't have.", "Name one.")
    return found


def _notes(plan: TensorMap) -> list[str]:
    notes = [f"Which tensor is which was said by a person, in {MAP}."]
    if plan.tied:
        one, other = ("decoder", "encoder") if "W_enc" in plan.tensors else ("encoder", "decoder")
        notes.append(f"The {one} is the {other} turned round: there is only one matrix.")
    if "b_pre" in plan.tensors:
        notes.append("What is subtracted before the encoder has been made part of the encoder's bias.")
    if plan.threshold is not None and plan.activation == "jumprelu" and "threshold" not in plan.tensors:
        notes.append(f"All features have the threshold {plan.threshold:g}.")
    return notes


def _arranges(plan: TensorMap) -> bool:
    """Whether the tensors need any arithmetic."""
    there = plan.tensors.keys()
    number = plan.activation == "jumprelu" and "threshold" not in there
    return number or "b_pre" in there or not there >= {"W_enc", "W_dec", "b_dec"}


@dataclass(frozen=True)
class _Arrange:
    """Completes what the files leave out, and folds what `SAE` has no place for."""

    plan: TensorMap
    config: SAEConfig

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        for role, other in (("W_enc", "W_dec"), ("W_dec", "W_enc")):
            if role not in tensors:
                tensors[role] = tensors[other].T
        if "b_dec" not in tensors:
            tensors["b_dec"] = tensors["W_dec"].new_zeros(self.config.d_out)
        if "b_pre" in tensors:
            shift = tensors.pop("b_pre") @ tensors["W_enc"]
            name = "b_gate" if self.config.activation == "gated" else "b_enc"
            bias = tensors.get(name, tensors["W_enc"].new_zeros(self.config.d_sae))
            tensors[name] = bias - shift
            if self.config.activation == "gated":
                tensors["b_mag"] = tensors["b_mag"] - shift * tensors["r_mag"].exp()
        if "log_threshold" in tensors:
            tensors["threshold"] = tensors.pop("log_threshold").exp()
        if self.config.activation == "jumprelu":
            number = tensors["b_dec"].new_tensor(self.plan.threshold or 0.0)
            tensors["threshold"] = tensors.get("threshold", number).reshape(-1).expand(self.config.d_sae)
