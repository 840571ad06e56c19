"""EleutherAI sparsify: `cfg.json` and `sae.safetensors` in a folder named after the module it hooks into.

    f = the k largest of relu((x − b_dec) W_encᵀ + b_enc), or the largest in each of k groups;  x̂ = f W_dec + b_dec (+ x W_skipᵀ)

The file never says whether b_dec is subtracted: it is, unless `transcode` is set; transcoders from before February 2025
carry no such key and did subtract it. An SAE reads a module's output; a transcoder reads the module's input and gives its
output. The run's own settings lie one folder up, above every module of the run, or two where each seed has a folder.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, check_k, check_widths, measure, stored_dtype
from semascope.core.saes.hooks import Place, from_module, place_problems

CONFIG = "cfg.json"
WEIGHTS = "sae.safetensors"
RUN_CONFIG = "config.json"

_RUN = {"model": str, "transcode": bool, "exclude_tokens": list, "sae": dict}
_UNSAID = Place(
    None,
    "The name of the folder, which says it of a sparsify SAE, is that of no module: give the hook point, for instance"
    " resid_post.5 for layers.5 or mlp_out.5 for layers.5.mlp.",
)
_ACTIVATIONS = {"topk": "topk", "groupmax": "groupmax"}


def recognise(folder: Folder) -> str:
    """sparsify by the names of its two files."""
    return f"{CONFIG} and {WEIGHTS}" if folder.has(CONFIG, WEIGHTS) else ""


def describe(folder: Folder) -> Layout:
    """One SAE or transcoder of a sparsify run."""
    config, run = folder.json(CONFIG), _run_config(folder)
    header = folder.header(WEIGHTS)
    skip = "W_skip" in header
    says_transcode = config.flag("transcode", False)
    transcoder = says_transcode or skip or run.flag("transcode", False) or _says(run.section("sae"), "transcode")
    table = {
        "W_enc": Stored("encoder.weight", ("m", "d_in")),
        "b_enc": Stored("encoder.bias", ("m",)),
        "W_dec": Stored("W_dec", ("m", "d_out")),
        "b_dec": Stored("b_dec", ("d_out",)),
        **({"W_skip": Stored("W_skip", ("d_out", "d_in"))} if skip else {}),
    }
    lengths = measure(header, table, WEIGHTS)
    subtract = not says_transcode
    check_widths(lengths, WEIGHTS, may_differ=transcoder and not subtract)
    activation = _activation(config)
    model = run.text("model")
    read, given = _places(folder, transcoder, model or folder.path.as_posix())
    sae = SAEConfig(
        format="sparsify",
        architecture=architecture_name(activation, transcoder=transcoder, skip=skip),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths["d_out"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        k=check_k(config.whole("k"), lengths["m"], CONFIG, groups=activation == "groupmax"),
        mask_ids=tuple(each for each in run.content.get("exclude_tokens", ()) if type(each) is int),
        apply_b_dec_to_input=subtract,
        skip=skip,
        dtype=stored_dtype(header, table),
        metadata={**run.content, **config.content},
        notes=tuple(_notes(transcoder, subtract, skip)),
        problems=(*place_problems(read, given), *_problems(config, lengths)),
    )
    return Layout(sae, folder.file(WEIGHTS), (folder.file(CONFIG), folder.file(WEIGHTS)), table)


FAMILY = Family(
    "sparsify",
    "EleutherAI sparsify",
    recognise,
    describe,
    files=(CONFIG, WEIGHTS),
    releases=(
        "EleutherAI/sae-llama-3-8b-32x",
        "EleutherAI/sae-llama-3.1-8b-*",
        "EleutherAI/sae-pythia-*",
        "EleutherAI/sae-SmolLM2-135M-64x",
        "EleutherAI/skip-transcoder-*",
        "lmms-lab/llama3-llava-next-8b-hf-sae-131k",
    ),
    rule="Told by cfg.json and sae.safetensors; the hook point is the folder's name. b_dec is subtracted first unless cfg.json"
    " says transcode, which transcoders from before February 2025 did not yet.",
)


def _notes(transcoder: bool, subtract: bool, skip: bool) -> list[str]:
    notes = []
    if transcoder and subtract:
        notes.append("It subtracts b_dec from what it reads, as transcoders without “transcode” in their cfg.json did.")
    if transcoder and skip:
        notes.append("Its linear skip connection takes what it reads as it is.")
    return notes


def _problems(config: Fields, lengths: Mapping[str, int]) -> list[str]:
    """Whether the settings speak of another dictionary than the tensors."""
    said = config.whole("num_latents") or (config.whole("d_in") or 0) * (config.whole("expansion_factor") or 0)
    found = []
    if config.whole("d_in") not in (None, lengths["d_in"]):
        found.append(f"{CONFIG} says d_in is {config.whole('d_in')}, but the tensors have {lengths['d_in']}.")
    elif said not in (0, lengths["m"]):
        found.append(f"{CONFIG} says num_latents is {said}, but the tensors have {lengths['m']}.")
    return found


def _says(fields: Fields, name: str) -> bool:
    """Whether a setting of the run is true; one that is something else counts as not said."""
    return fields.content.get(name) is True


def _activation(config: Fields) -> str:
    if config.flag("signed", False):  # 2024, for a few weeks
        return "abstopk"
    name = config.text("activation", "topk")
    if name not in _ACTIVATIONS:
        raise UserError(f"{CONFIG} names the activation function “{name[:40]}”, which is not known.")
    return _ACTIVATIONS[name]


def _run_config(folder: Folder) -> Fields:
    """The run's settings above the module's folder (or above its seed's), as far as there are any.

    A file of that name up there may be anyone's, so only fields of the right type are taken and a broken one is passed over.
    """
    for parent in (folder.path.parent, folder.path.parent.parent):
        with contextlib.suppress(UserError):
            content = Folder(parent).json(RUN_CONFIG).content
            known = {name: content[name] for name, kind in _RUN.items() if isinstance(content.get(name), kind)}
            return Fields(known, RUN_CONFIG)
    return Fields({}, RUN_CONFIG)


def _places(folder: Folder, transcoder: bool, model: str) -> tuple[Place, Place]:
    """The hook points, by the name of the module's folder (which may hold a folder for each seed)."""
    for name in (folder.path.name, folder.path.parent.name):
        given = from_module(name, "output", model)
        if given.hook or (given.problem and re.search(r"(?:^|\.)(?:layers|h)\.\d", name)):
            return (from_module(name, "input", model), given) if transcoder else (given, given)
    return _UNSAID, _UNSAID
