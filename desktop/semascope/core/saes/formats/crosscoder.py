"""Crosscoders of jkminder's dictionary_learning: `model.safetensors` or a checkpoint, with an axis of layers or models.

    f = relu(Σ_l x_l W_enc_l + b)          x̂_l = f W_dec_l + b_l
    BatchTopK: of f only what is > threshold once multiplied by n, the norm of what the feature writes

n is Σ_l ‖W_dec_l‖ ("CROSSCODER"), the norm of all side by side ("SAE"), a mixture, or 1; "DECOUPLED", each place has a
threshold and norms of its own, so that a feature may fire at one place and not at another: those are read as features of
their own, place by place. Where mean and standard deviation are numbers, activations are centred and multiplied by
`activation_global_scale` first, and reconstructions turned back. Most compare two models at one layer: what they read is then
no hook points of one model, and they can be looked at but not run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import TORCH_FILES, Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, measure, natural, several
from semascope.core.saes.formats.multi import steered_last
from semascope.core.saes.formats.scalars import scalar
from semascope.core.saes.formats.torch_weights import candidates, header, prefix_of, prefixed

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_FINAL = ("ae_final.pt", "model_final.pt", "ae.pt")  # what training ends with, beside its checkpoints
_WANTED = ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")
_NORMS = ("CROSSCODER", "SAE", "MIXED", "NONE", "DECOUPLED")
"""In the order of their ids in the file, from 1."""


@dataclass(frozen=True)
class _File:
    """A file that holds a crosscoder, and what stands before its tensors' names there."""

    name: str
    prefix: str


def recognise(folder: Folder) -> str:
    """A crosscoder by the three axes of its encoder and decoder."""
    files = _files(folder)
    return f"{files[0].name} with an encoder of several layers" if files else ""


def describe(folder: Folder) -> Layout:
    """One crosscoder."""
    files = _files(folder)
    if len(files) > 1:
        raise several(folder, [file.name for file in files])
    name, prefix = files[0].name, files[0].prefix
    config = folder.json(CONFIG) if CONFIG in folder.names else Fields({}, CONFIG)
    run = config.section("trainer") if "trainer" in config else config
    table, lengths = _table(folder, name, prefix)
    norm, guessed = _norm(folder, files[0], run)
    jumps, places = "threshold" in table, lengths["places"]
    decoupled = jumps and table["threshold"].axes == ("places",)
    norm = "DECOUPLED" if decoupled else norm
    sae = SAEConfig(
        format="crosscoder",
        architecture=architecture_name("jumprelu" if jumps else "relu", kind="crosscoder"),
        activation="jumprelu" if jumps else "relu",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        kind="crosscoder",
        encoders=places if decoupled else 1,
        places=places,
        model_name=run.text("lm_name"),
        dtype=FLOATS[folder.header(name)[table["decoder"].name].dtype],
        metadata=config.content,
        notes=(
            f"Its library shows a feature's activation multiplied by the norm of what it writes ({norm}); here it is what "
            "the encoder gives.",
            *(["It does not say by which norm features are weighed: CROSSCODER, the usual one, is assumed."] * guessed),
            *([_DECOUPLED.format(size=lengths["m"])] * decoupled),
            steered_last(None),
        ),
        problems=tuple(_problems(folder, files[0], run, places)),
    )
    arrange = _Arrange(
        norm,
        (run.number("code_normalization_alpha_sae", 1.0), run.number("code_normalization_alpha_cc", 0.1)),
        decoupled,
        _encoder_layers(config, lengths),
    )
    names = [CONFIG, name] if CONFIG in folder.names else [name]
    return Layout(sae, folder.file(name), tuple(folder.file(each) for each in names), table, arrange)


def members(folder: Folder) -> tuple[str, ...]:
    """The files that are a crosscoder each."""
    return tuple(file.name for file in _files(folder))


FAMILY = Family(
    "crosscoder",
    "crosscoders of dictionary_learning",
    recognise,
    describe,
    files=(CONFIG, WEIGHTS, "*.pt"),
    members=members,
    releases=("science-of-finetuning/*-crosscoder-*", "jkminder's and Butanium's crosscoders"),
    rule="Told by an encoder.weight of three axes in model.safetensors, ae_final.pt, model_final.pt or a checkpoint. It does "
    "not say what it reads: give the hook points where these are layers of one model.",
)

_DECOUPLED = (
    "Each place has thresholds of its own: its features are numbered place by place, {size:,} for each, and number i of every "
    "place has the same encoder."
)


def _files(folder: Folder) -> list[_File]:
    """The one file that was chosen or that stands for the folder, or its checkpoints."""
    if folder.chosen is not None and folder.chosen != CONFIG:
        names = [folder.chosen]
    else:
        names = [WEIGHTS] if WEIGHTS in folder.names else []
        torch = candidates(folder)
        names += [name for name in _FINAL if name in torch] + [name for name in torch if name not in _FINAL]
    found: list[_File] = []
    for name in names:
        tensors = header(folder, name) if name.endswith((".safetensors", *TORCH_FILES)) else {}
        prefix = prefix_of(tensors, _WANTED)
        if prefix is None or any(len(tensors[prefix + matrix].shape) != 3 for matrix in (_WANTED[0], _WANTED[2])):
            continue
        if name in (WEIGHTS, *_FINAL):
            return [_File(name, prefix)]
        found.append(_File(name, prefix))
    return sorted(found, key=lambda file: natural(file.name))


def _table(folder: Folder, name: str, prefix: str) -> tuple[dict[str, Stored], dict[str, int]]:
    tensors = folder.header(name)
    table = {
        "W_enc.0": Stored("encoder.weight", ("encoded", "d_in", "m")),
        "b_enc.0": Stored("encoder.bias", ("m",)),
        "decoder": Stored("decoder.weight", ("places", "m", "d_in")),
        "biases": Stored("decoder.bias", ("places", "d_in")),
    }
    optional = {
        "activation_mean": ("places", "d_in"),
        "activation_std": ("places", "d_in"),
        "activation_global_scale": (),
        "threshold": ("places",),
    }
    for ours, axes in optional.items():
        if (found := tensors.get(prefix + ours)) is not None:
            table[ours] = Stored(ours, axes if found.shape else ())
    table = prefixed(table, prefix)
    lengths = measure(tensors, table, name)
    if lengths["encoded"] > lengths["places"]:
        raise UserError(
            f"{name} reads {lengths['encoded']} layers and writes {lengths['places']}.", "Copy the whole folder again."
        )
    return table, lengths


def _norm(folder: Folder, file: _File, run: Fields) -> tuple[str, bool]:
    """By which norm features are weighed, and whether that had to be guessed."""
    stored = scalar(folder, file.name, file.prefix + "code_normalization_id")
    said = run.text("code_normalization").upper()
    if stored is not None:
        if not 1 <= stored <= len(_NORMS):
            raise UserError(f"{file.name} has the code normalisation {stored:.0f}, which is not known.")
        return _NORMS[int(stored) - 1], False
    if said and said not in _NORMS:
        raise UserError(f"{CONFIG} names the code normalisation “{said[:40]}”, which is not known.")
    return said or _NORMS[0], not said


def _encoder_layers(config: Fields, lengths: dict[str, int]) -> tuple[int, ...]:
    """Which of the places it writes to the encoder reads."""
    said = config.content.get("encoder_layers")
    layers = tuple(said) if isinstance(said, list) else tuple(range(lengths["encoded"]))
    fits = all(type(layer) is int and 0 <= layer < lengths["places"] for layer in layers)
    if not fits or len(set(layers)) != lengths["encoded"] or (said is None and len(layers) != lengths["places"]):
        raise UserError(
            f"{CONFIG} does not say which {lengths['encoded']} of its {lengths['places']} layers the encoder reads.",
            "Copy the whole folder again.",
        )
    return layers


def _problems(folder: Folder, file: _File, run: Fields, places: int) -> list[str]:
    layer = run.whole("layer") if not isinstance(run.content.get("layer"), list) else None
    at = "" if layer is None else f", all at layer {layer}"
    found = [
        f"It does not say which hook point each of its {places} parts belongs to: comparing {places} models{at} it can be "
        f"looked at but not run; with {places} layers of one model, give them, for instance "
        f"{','.join(f'resid_post.{4 * (i + 1)}' for i in range(min(places, 4)))}."
    ]
    unset = scalar(folder, file.name, file.prefix + "threshold")
    if unset is not None and unset < 0:
        found.append("Its threshold was never set: every positive activation is kept, more than it was trained with.")
    return found


@dataclass(frozen=True)
class _Arrange:
    """Brings the tensors into the shapes of `LayeredSAE`, with the normalisation of inputs and of codes folded in.

    Attributes:
        norm: One of `_NORMS`.
        mixture: Of "MIXED": how much of "SAE", and how much of "CROSSCODER".
        decoupled: Each place has thresholds of its own.
        encoded: The places that the encoder reads.
    """

    norm: str
    mixture: tuple[float, float]
    decoupled: bool
    encoded: tuple[int, ...]

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        encoder, decoder, biases = tensors.pop("W_enc.0"), tensors.pop("decoder"), tensors.pop("biases")
        mean, deviation = tensors.pop("activation_mean", None), tensors.pop("activation_std", None)
        factor = tensors.pop("activation_global_scale", None)
        threshold = tensors.pop("threshold", None)
        places = len(decoder)
        norms = self._norms(decoder)  # (1 or places, m), of the decoder as it was trained
        if self.encoded != tuple(range(places)):
            whole = encoder.new_zeros(places, *encoder.shape[1:])
            whole[list(self.encoded)] = encoder
            encoder = whole
        if mean is not None and deviation is not None and not bool(mean.isnan().any() or deviation.isnan().any()):
            scale = 1.0 if factor is None else factor
            encoder = encoder * scale
            decoder, biases = decoder / (scale + 1e-8), biases / (scale + 1e-8) + mean
            tensors["centre"] = mean.flatten()
        tensors["W_enc.0"] = encoder.flatten(0, 1)
        for w in range(places):
            tensors[f"W_dec.{w if self.decoupled else 0}.{w}"] = decoder[w]
            tensors[f"b_dec.{w}"] = biases[w]
        if threshold is not None:
            for e in range(places if self.decoupled else 1):
                # A feature that writes nothing is kept where 0 is above the threshold: nowhere, once that was set.
                limit = (threshold[e] if self.decoupled else threshold).expand(norms.shape[-1])
                weight = norms[e if self.decoupled else 0]
                never = limit.new_full(limit.shape, float("inf")).where(limit >= 0, limit)
                tensors[f"threshold.{e}"] = (limit / weight).where(weight > 0, never)
                tensors[f"b_enc.{e}"] = tensors["b_enc.0"]

    def _norms(self, decoder: Tensor) -> Tensor:
        """How much features weigh: ‖what each writes‖, shape (1, m), or (places, m) where decoupled."""
        each = decoder.norm(dim=-1)
        together, apart = each.norm(dim=0, keepdim=True), each.sum(dim=0, keepdim=True)
        found: dict[str, Tensor] = {
            "CROSSCODER": apart,
            "SAE": together,
            "MIXED": self.mixture[0] * together + self.mixture[1] * apart,
            "NONE": each.new_ones(1, each.shape[-1]),
            "DECOUPLED": each if self.decoupled else apart,
        }
        return found[self.norm]
