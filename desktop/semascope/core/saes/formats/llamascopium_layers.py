"""llamascopium's dictionaries of several layers: cross-layer transcoders ("clt") and crosscoders.

    clt:        f_l = act(p_l ‖d_l‖) / ‖d_l‖, ‖d_l‖ over all that a feature writes;  x̂_w = (Σ_{l≤w} f_l W_D.w[l] + b_D.w) / s_w
    crosscoder: p = Σ_h (s_h x_h W_E[h] + b_E[h]);  f_h = act(p ‖d_h‖) / ‖d_h‖;  x̂_h = (f_h W_D[h] + b_D[h]) / s_h

Decoders of a cross-layer transcoder are stored by where they write: W_D.w is (w + 1, features, d). A crosscoder has a gate of
its own for each place, so feature i of every place has the same encoder. Features are in units of scaled activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.models.hookpoint import Hooks
from semascope.core.saes.config import Kind, SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Layout, Stored, check_k, measure
from semascope.core.saes.formats.multi import numbering, steered_last, together
from semascope.core.saes.formats.openmoss import activation, mean_norm, prefix, scales
from semascope.core.saes.hooks import from_transformer_lens

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"

_THRESHOLD = "activation_function.log_jumprelu_threshold"
_MOST_PLACES = 1000
_OVER_LAYERS = ("layertopk", "batchlayertopk")


def describe_layers(folder: Folder, file: str, config: Fields, model: str, bos: bool | None) -> Layout:
    """A cross-layer transcoder or a crosscoder.

    Raises:
        UserError: Its tensors don't belong together, or it selects features over all layers at once.
    """
    crosscoder = config.text("sae_type") == "crosscoder"
    kind: Kind = "crosscoder" if crosscoder else "cross_layer_transcoder"
    names_in, names_out = _names(config, crosscoder)
    if config.text("act_fn").lower() in _OVER_LAYERS:
        raise UserError(
            "This cross-layer transcoder selects its features over all layers at once, which is not read.",
            "Convert it to a JumpReLU with llamascopium first.",
        )
    function, said = activation(config)
    table = _table(prefix(folder, file), len(names_in), crosscoder=crosscoder, jumps=function == "jumprelu")
    header = folder.header(file)
    lengths = measure(header, table, file)
    _check_places(lengths, len(names_in))
    reads, problems = together([from_transformer_lens(name, model) for name in names_in])
    writes, more = together([from_transformer_lens(name, model) for name in names_out])
    factors, scale_notes, unknown = _factors(folder, file, config, (names_in, names_out), lengths["d_in"])
    by_norms = config.flag("sparsity_include_decoder_norm", True) and function != "relu"
    sae = SAEConfig(
        format="llamascopium",
        architecture=architecture_name(function, kind=kind),
        activation=function,
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        kind=kind,
        encoders=len(names_in),
        places=len(names_in),
        reads=reads,
        writes=writes,
        model_name=model,
        prepend_bos=bos,
        k=check_k(config.whole("top_k"), lengths["m"], CONFIG) if function == "topk" else None,
        dtype=FLOATS[header[table["W_E"].name].dtype],
        metadata=config.content,
        notes=tuple(_notes(crosscoder, said, by_norms, lengths["m"], reads, scale_notes, len(names_in))),
        problems=tuple(dict.fromkeys([*problems, *more, *unknown])),
    )
    arrange = _Arrange(crosscoder, tuple(factors[0]), tuple(factors[1]), by_norms, function)
    files = (folder.file(CONFIG), folder.file(file))
    return Layout(sae, folder.file(file), files, table, arrange, views=arrange.only_views)


def _names(config: Fields, crosscoder: bool) -> tuple[list[str], list[str]]:
    """What it calls the places it reads and writes."""
    keys = ("hook_points", "hook_points") if crosscoder else ("hook_points_in", "hook_points_out")
    lists = [config.content.get(key) for key in keys]
    for key, names in zip(keys, lists, strict=True):
        if not isinstance(names, list) or not all(isinstance(name, str) and len(name) < 200 for name in names):
            raise UserError(f"{CONFIG} does not say its {key}.", "Copy the whole folder again.")
    names_in, names_out = [str(name) for name in lists[0] or ()], [str(name) for name in lists[1] or ()]
    if not 0 < len(names_in) == len(names_out) <= _MOST_PLACES:
        raise UserError(f"{CONFIG} says that it reads {len(names_in)} places and writes {len(names_out)}.")
    return names_in, names_out


def _check_places(lengths: Mapping[str, int], places: int) -> None:
    """See that there is a matrix for each place, and for each pair of places that are connected.

    Raises:
        UserError: There isn't.
    """
    if lengths["places"] != places or any(lengths.get(f"up to {w}", w + 1) != w + 1 for w in range(places)):
        raise UserError(
            f"{CONFIG} names {places} places, but the tensors are those of another number.",
            "Copy the whole folder again.",
        )


def _table(before: str, places: int, *, crosscoder: bool, jumps: bool) -> dict[str, Stored]:
    table = {
        "W_E": Stored(f"{before}W_E", ("places", "d_in", "m")),
        "b_E": Stored(f"{before}b_E", ("places", "m")),
    }
    if jumps:
        table["log_threshold"] = Stored(f"{before}{_THRESHOLD}", ("m",) if crosscoder else ("places", "m"))
    if crosscoder:
        table["W_D"] = Stored(f"{before}W_D", ("places", "m", "d_in"))
        table["b_D"] = Stored(f"{before}b_D", ("places", "d_in"))
        return table
    for w in range(places):
        table[f"W_D.{w}"] = Stored(f"{before}W_D.{w}", (f"up to {w}", "m", "d_in"))
        table[f"b_D.{w}"] = Stored(f"{before}b_D.{w}", ("d_in",))
    return table


def _factors(
    folder: Folder, file: str, config: Fields, names: tuple[Sequence[str], Sequence[str]], width: int
) -> tuple[tuple[list[float], list[float]], list[str], list[str]]:
    """By what activations are scaled at each place read and written, and sentences: notes and problems."""
    mode = config.text("norm_activation", "dataset-wise")
    if mode == "token-wise":
        raise UserError("A dictionary of several layers that scales every token by itself is not read.")
    found = [
        [scales(mode, width, [mean_norm(folder, file, config, name, "")], transcoder=False) for name in side]
        for side in names
    ]
    problems = [problem for side in found for scale in side for problem in scale.problems]
    if problems or mode != "dataset-wise":
        return ([1.0] * len(names[0]), [1.0] * len(names[1])), [], problems[:1]
    factors = [[scale.read for scale in side] for side in found]
    note = "Its inputs are multiplied by √d over their mean norm at each place; that is part of the weights."
    return (factors[0], factors[1]), [note], []


def _notes(
    crosscoder: bool, said: str, by_norms: bool, size: int, reads: Hooks, scale_notes: list[str], encoders: int
) -> list[str]:
    found = [*scale_notes]
    if scale_notes:
        found.append("f is in units of scaled activations.")
    if by_norms:
        found.append("Features are selected by how much they write, p · ‖d‖, and f is p alone.")
    if said == "batchtopk":
        found.append("It was trained with a top-k over a batch, and keeps the k largest of each token here.")
    if crosscoder:
        found.append(
            f"Each place has a gate of its own: its features are numbered place by place, {size:,} for each, and number i of"
            " every place has the same encoder."
        )
        return [*found, steered_last(reads[-1] if reads else None)]
    return [*found, numbering(size, encoders, reads)]


@dataclass(frozen=True)
class _Arrange:
    """Brings the tensors into the shapes of `LayeredSAE`, with the factors and the norms folded in.

    Attributes:
        crosscoder: Whether all encoders read all places.
        read: By what is multiplied what is read, at each place.
        written: By what is divided what is written.
        by_norms: Features are selected by p · ‖d‖.
        function: The activation.
    """

    crosscoder: bool
    read: tuple[float, ...]
    written: tuple[float, ...]
    by_norms: bool
    function: str

    @property
    def only_views(self) -> bool:
        """Whether the matrices stay as they are in the file."""
        return not self.crosscoder and not self.by_norms and all(s == 1.0 for s in (*self.read, *self.written))

    def __call__(self, tensors: dict[str, Tensor]) -> None:
        """Change `tensors`, by our names, in place of the dictionary."""
        encoders, biases = tensors.pop("W_E"), tensors.pop("b_E")
        threshold = tensors.pop("log_threshold", None)
        places = len(encoders)
        if self.crosscoder:
            scaled = [_times(encoders[h], self.read[h]) for h in range(places)]
            tensors["W_enc.0"] = _stacked(scaled)
        else:
            tensors |= {f"W_enc.{e}": _times(encoders[e], self.read[e]) for e in range(places)}
        tensors |= {f"b_enc.{e}": biases.sum(dim=0) if self.crosscoder else biases[e] for e in range(places)}
        norms = self._decoders(tensors, places)
        for e in range(places):
            if threshold is not None:
                limit = (threshold if self.crosscoder else threshold[e]).float().exp()
                tensors[f"threshold.{e}"] = limit / norms[e] if self.by_norms else limit
            elif self.by_norms and self.function == "topk":
                tensors[f"selection_weight.{e}"] = norms[e]

    def _decoders(self, tensors: dict[str, Tensor], places: int) -> dict[int, Tensor]:
        """Take the decoders apart; gives the norm of what each encoder's features write, as it was trained."""
        squares: dict[int, Tensor] = {}
        whole, biases = tensors.pop("W_D", None), tensors.pop("b_D", None)
        for w in range(places):
            if whole is not None and biases is not None:
                pairs, bias = {w: whole[w]}, biases[w]
            else:
                group, bias = tensors.pop(f"W_D.{w}"), tensors.pop(f"b_D.{w}")
                pairs = {e: group[e] for e in range(w + 1)}
            for e, decoder in pairs.items():
                if self.by_norms:
                    squares[e] = squares.get(e, 0.0) + decoder.square().sum(dim=-1)
                tensors[f"W_dec.{e}.{w}"] = _times(decoder, 1 / self.written[w])
            tensors[f"b_dec.{w}"] = _times(bias, 1 / self.written[w])
        return {e: square.sqrt() for e, square in squares.items()}


def _times(tensor: Tensor, factor: float) -> Tensor:
    return tensor if factor == 1.0 else tensor * factor


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.cat(list(parts))
