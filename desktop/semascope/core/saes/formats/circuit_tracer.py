"""circuit-tracer's transcoders: `layer_{i}.safetensors` for each layer, or a cross-layer transcoder in `W_enc_{i}`, `W_dec_{i}`.

    f_l = act(x_l W_encᵀ + b_enc)          ReLU; JumpReLU where there are thresholds; top-k without a ReLU where config.yaml says so
    transcoders:   x̂_l = f_l W_dec + b_dec (+ x_l W_skipᵀ)
    cross-layer:   x̂_w = b_dec_w + Σ_{l ≤ w} f_l W_dec_l[:, w − l]

Nothing is subtracted from x. A folder of several layers is one set; each of its files is a transcoder by itself, too.
`config.yaml` names the hook points and the model. It may also list files elsewhere: these are never followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import FLOATS
from semascope.core.models.hookpoint import Hooks
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, check_widths, measure, natural
from semascope.core.saes.formats.multi import (
    files_of,
    info,
    largest,
    lens_places,
    measure_files,
    numbered,
    numbering,
    split_decoders,
    without_gaps,
)
from semascope.core.saes.formats.scalars import scalar
from semascope.core.saes.formats.torch_weights import last_match, turned_by_shape

CONFIG = "config.yaml"
TRAINING = ("wandb-config.yaml", "wanb-config.yaml")  # the second as it was once published

_LAYER = r"layer_(\d{1,4})\.safetensors"
_ENCODER = r"W_enc_(\d{1,4})\.safetensors"
_DECODER = r"W_dec_(\d{1,4})\.safetensors"
_THRESHOLD = "activation_function.threshold"
_WANTED = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})

_KNOWN = (
    (r"qwen3-([\d.]+)b-transcoders", "mlp.hook_in", "mlp.hook_out", "Qwen/Qwen3-{}B"),
    (r"transcoder-llama-3\.2-1b", "hook_resid_mid", "hook_mlp_out", "meta-llama/Llama-3.2-1B"),
    (r"clt-gemma-2-2b", "hook_resid_mid", "hook_mlp_out", "google/gemma-2-2b"),
    (r"clt-llama-3\.2-1b", "hook_resid_mid", "hook_mlp_out", "meta-llama/Llama-3.2-1B"),
)
"""Where published sets read and write and in which model, by the names of their folders: some lack their config.yaml."""

_K_OF = ((r"crv-8b-instruct-transcoders", 128),)
"""The k that circuit-tracer knows of a release that doesn't say it."""


def recognise(folder: Folder) -> str:
    """circuit-tracer by the names of its files and the tensors in one of them."""
    if encoders := _matching(folder, _ENCODER):
        layer = re.fullmatch(_ENCODER, encoders[0])
        return f"{encoders[0]} and {layer and f'W_dec_{layer[1]}.safetensors'}" if _matching(folder, _DECODER) else ""
    if layers := _matching(folder, _LAYER):
        return f"{layers[0]} with W_enc and W_dec" if folder.header(layers[0]).keys() >= _WANTED else ""
    # A list of what lies elsewhere: worth a sentence, unless the SAEs themselves are further down.
    if folder.has(CONFIG) and not any((folder.path / name).is_dir() for name in folder.names):
        return f"{CONFIG} with model_kind" if "model_kind" in folder.yaml(CONFIG) else ""
    return ""


def describe(folder: Folder) -> Layout:
    """One transcoder, a set of them, or a cross-layer transcoder."""
    config = folder.yaml(CONFIG) if CONFIG in folder.names else Fields({}, CONFIG)
    if _matching(folder, _ENCODER):
        return _cross_layer(folder, config)
    layers = numbered(_matching(folder, _LAYER), _LAYER)
    if not layers:
        listed = _listed(config)
        raise UserError(
            f"{folder.path.name} holds settings of circuit-tracer, but no weights"
            + (f": its {len(listed)} transcoders lie elsewhere, for instance {listed[0]}." if listed else "."),
            "Copy their files, and open one of them or the folder they are in.",
        )
    return _single(folder, config, *layers.popitem()) if len(layers) == 1 else _set(folder, config, layers)


def members(folder: Folder) -> tuple[str, ...]:
    """The files that are a transcoder each."""
    return () if _matching(folder, _ENCODER) else tuple(_matching(folder, _LAYER))


FAMILY = Family(
    "circuit_tracer",
    "circuit-tracer",
    recognise,
    describe,
    files=(CONFIG, *TRAINING, "layer_*.safetensors", "W_enc_*.safetensors", "W_dec_*.safetensors"),
    members=members,
    releases=(
        "mwhanna/qwen3-{0.6b,1.7b,4b,8b,14b}-transcoders, -lowl0",
        "mntss/transcoder-Llama-3.2-1B",
        "facebook/crv-8b-instruct-transcoders",
        "mntss/clt-gemma-2-2b-{426k,2.5M}",
        "mntss/clt-llama-3.2-1b-524k",
        "mntss/clt-131k",
    ),
    rule="Told by layer_N.safetensors, or by W_enc_N.safetensors and W_dec_N.safetensors. Hook points and model are in "
    "config.yaml; the first position of every context is left out, the first four with Gemma 3's chat models.",
)


def _matching(folder: Folder, pattern: str) -> list[str]:
    """The names that match; of transcoders the one that was chosen, of a cross-layer transcoder all of them."""
    names = [name for name in folder.names if re.fullmatch(pattern, name)]
    if pattern == _LAYER and folder.chosen in names and folder.chosen is not None:
        return [folder.chosen]
    return sorted(names, key=natural)


def _table(folder: Folder, file: str, mark: str = "", place: str = "") -> Table:
    """Where the tensors of one layer's file are; their names and their axes of features are marked by its encoder."""
    header = folder.header(file)
    m = f"m{mark}"
    table = {
        "W_enc": Stored("W_enc", (m, "d_in"), file),
        "b_enc": Stored("b_enc", (m,), file),
        "W_dec": Stored("W_dec", (m, "d_in"), file),
        "b_dec": Stored("b_dec", ("d_in",), file),
    }
    if "W_skip" in header:
        table["W_skip"] = Stored("W_skip", ("d_out", "d_in"), file)
    if _THRESHOLD in header:
        table["threshold"] = Stored(_THRESHOLD, (m,) if header[_THRESHOLD].shape else (), file)
    table = turned_by_shape(table, header)  # an early release held decoders the other way round
    return {f"{ours}{mark}{place if ours == 'W_dec' else ''}": stored for ours, stored in table.items()}


def _single(folder: Folder, config: Fields, layer: int, file: str) -> Layout:
    table = _table(folder, file)
    lengths = measure(folder.header(file), table, file)
    _check_skip(lengths, file)
    activation, k = _activation(folder, config, file, lengths["m"], jumps="threshold" in table)
    sae = _config(folder, config, activation, table, lengths, [layer], "transcoder", k)
    return Layout(sae, folder.file(file), files_of(folder, table, CONFIG), table)


def _set(folder: Folder, config: Fields, layers: Mapping[int, str]) -> Layout:
    table: dict[str, Stored] = {}
    for at, file in enumerate(layers.values()):
        table |= _table(folder, file, f".{at}", f".{at}")
    lengths = measure_files(folder, table)
    _check_skip(lengths, layers[min(layers)])
    jumping = sum(name.startswith("threshold") for name in table)
    if 0 < jumping < len(layers) or 0 < sum(name.startswith("W_skip") for name in table) < len(layers):
        raise UserError(
            "The layers of this set are of different architectures.",
            f"Open one of them, for instance {layers[min(layers)]}.",
        )
    smallest = min(lengths[axis] for axis in lengths if axis.startswith("m."))
    activation, k = _activation(folder, config, layers[min(layers)], smallest, jumps=jumping > 0)
    sae = _config(folder, config, activation, table, lengths, list(layers), "transcoder_set", k)
    first = folder.file(layers[min(layers)])
    return Layout(sae, first, files_of(folder, table, CONFIG), table)


def _check_skip(lengths: Mapping[str, int], file: str) -> None:
    """See that a skip connection, the only one that names the width of its output, gives what the decoder does."""
    check_widths({"d_out": lengths["d_in"], **lengths}, file, may_differ=False)


def _cross_layer(folder: Folder, config: Fields) -> Layout:
    encoders = numbered(_matching(folder, _ENCODER), _ENCODER)
    decoders = numbered(_matching(folder, _DECODER), _DECODER)
    without_gaps(encoders, "The encoder")
    without_gaps(decoders, "The decoder")
    if len(encoders) != len(decoders):
        raise UserError(
            f"There are {len(encoders)} encoders and {len(decoders)} decoders.", "Copy the whole folder again."
        )
    table: dict[str, Stored] = {}
    for at, file in encoders.items():
        header = folder.header(file)
        table[f"W_enc.{at}"] = Stored(f"W_enc_{at}", (f"m.{at}", "d_in"), file)
        table[f"b_enc.{at}"] = Stored(f"b_enc_{at}", (f"m.{at}",), file)
        table[f"b_dec.{at}"] = Stored(f"b_dec_{at}", ("d_out",), file)
        if f"threshold_{at}" in header:
            table[f"threshold.{at}"] = Stored(f"threshold_{at}", (f"m.{at}",), file)
        if f"W_skip_{at}" in header:  # of a cross-layer transcoder it isn't turned
            table[f"W_skip.{at}"] = Stored(f"W_skip_{at}", ("d_in", "d_out"), file)
        table[f"W_dec.{at}"] = Stored(f"W_dec_{at}", (f"m.{at}", f"to.{at}", "d_out"), decoders[at])
    lengths = measure_files(folder, table)
    for at, file in decoders.items():
        if lengths[f"to.{at}"] != len(encoders) - at:
            raise UserError(
                f"{file} writes to {lengths[f'to.{at}']} layers, and there are {len(encoders) - at} from its own on.",
                "Copy the whole folder again.",
            )
    jumping = sum(name.startswith("threshold") for name in table)
    if 0 < jumping < len(encoders):
        raise UserError("Some encoders have thresholds, and others have none.", "Copy the whole folder again.")
    kind = "jumprelu" if jumping else "relu"
    sae = _config(folder, config, kind, table, lengths, list(encoders), "cross_layer_transcoder", None)
    return Layout(sae, folder.file(encoders[0]), files_of(folder, table, CONFIG), table, split_decoders, views=True)


def _config(
    folder: Folder,
    config: Fields,
    activation: str,
    table: Table,
    lengths: Mapping[str, int],
    layers: list[int],
    kind: Any,
    k: int | None,
) -> SAEConfig:
    """The settings of one of any kind; `layers` are those it reads."""
    known = _published(folder)
    model = config.text("model_name") or known[2]
    reads, writes, problems = _places(config, known, layers, model)
    skip = any(name.startswith("W_skip") for name in table)
    dtype = FLOATS[info(folder, next(stored for ours, stored in table.items() if ours.startswith("W_dec"))).dtype]
    size, encoders = largest(lengths), len(layers)
    return SAEConfig(
        format="circuit_tracer",
        architecture=architecture_name(activation, kind=kind, skip=skip),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths.get("d_out", lengths["d_in"]),
        d_sae=size,
        kind=kind,
        encoders=encoders,
        places=encoders,
        reads=reads,
        writes=writes,
        model_name=model,
        prepend_bos=None if "qwen" in model.lower() else True,  # Qwen's models have none, and none was put there
        mask_first=4 if re.search(r"gemma-?3.*-it", model.lower()) else 1,
        k=k,
        rectify=activation != "topk",
        skip=skip,
        dtype=dtype,
        metadata={**config.content, **_training(folder)},
        notes=tuple(_notes(folder, config, activation, reads, size, encoders)),
        problems=tuple(problems),
    )


def _published(folder: Folder) -> tuple[str, str, str]:
    """Where a published set reads and writes, and its model, by the names of its folders; all "" for any other."""
    path = folder.path.as_posix().lower().replace("_", "-")
    for pattern, read, given, model in _KNOWN:
        if match := last_match(pattern, path):
            return read, given, model.format(*match.groups())
    return "", "", ""


def _places(
    config: Fields, known: tuple[str, str, str], layers: list[int], model: str
) -> tuple[Hooks, Hooks, list[str]]:
    read, given = config.text("feature_input_hook"), config.text("feature_output_hook")
    if not read:
        read, given, _ = known
    if not read:
        example = f"mlp_in.{layers[0]}" if len(layers) == 1 else f"mlp_in.{layers[0]}-{layers[-1]}"
        return (), (), [
            f"Without its {CONFIG} a transcoder does not say at which hook point of its layer it reads and writes; "
            f"give them, for instance {example} and {example.replace('mlp_in', 'mlp_out')}."
        ]  # fmt: skip
    reads, problems = lens_places(read, layers, model)
    writes, more = lens_places(given or read, layers, model)
    missing = sorted(set(range(max(layers) + 1)) - set(layers)) if len(layers) > 1 else []
    gaps = [f"There is no transcoder of layer {missing[0]}: that layer is left out."] if missing else []
    return reads, writes, [*dict.fromkeys([*problems, *more]), *gaps]


def _activation(folder: Folder, config: Fields, file: str, features: int, *, jumps: bool) -> tuple[str, int | None]:
    """The activation function, and its k."""
    said = config.text("activation").lower()
    in_file = scalar(folder, file, "k")
    if said == "topk" or (not said and not jumps and in_file is not None):
        path = folder.path.as_posix().lower()
        known = next((k for pattern, k in _K_OF if pattern in path), None)
        k = config.whole("k") or (None if in_file is None else int(in_file)) or known
        return "topk", check_k(k, features, CONFIG)
    return "jumprelu" if jumps else "relu", None


def _notes(folder: Folder, config: Fields, activation: str, reads: Hooks, size: int, encoders: int) -> Iterator[str]:
    if encoders > 1:
        yield numbering(size, encoders, reads)
    if activation == "topk":
        yield "The k largest of a token are kept as they are, negative ones too, as circuit-tracer does."
    if listed := _listed(config):
        yield (
            f"{CONFIG} lists {len(listed)} transcoders by path or address; only the files of this folder are read, "
            f"and none of {', '.join(listed[:3])}{' …' if len(listed) > 3 else ''} is followed."
        )
    if CONFIG not in folder.names and reads:
        yield f"{CONFIG} is missing; where it reads and writes is that of the published set of this name."


def _listed(config: Fields) -> list[str]:
    """What config.yaml says lies elsewhere: paths and addresses, or (in early releases) tables with a `filepath`."""
    entries = config.content.get("transcoders")
    entries = entries if isinstance(entries, list) else []
    plain = [entry.get("filepath") if isinstance(entry, dict) else entry for entry in entries]
    return [entry[:200] for entry in plain if isinstance(entry, str)]


def _training(folder: Folder) -> dict[str, Any]:
    """What the settings of the training run say, each of which weights and biases keeps under `value`."""
    name = next((name for name in TRAINING if name in folder.names), None)
    if name is None:
        return {}
    content = folder.yaml(name).content
    return {
        "training": {key: each["value"] for key, each in content.items() if isinstance(each, dict) and "value" in each}
    }
