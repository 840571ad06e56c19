"""saev (CLIP, DINOv2, DINOv3, SigLIP, BioCLIP): one `sae.pt`, a line of JSON and then PyTorch's archive of a state dict.

With p = x W_enc + b_enc, f is relu(p), the k largest p whatever their sign, or p where p > max(θ, 0) with one θ for all
features (BatchTopK), and x̂ = f W_dec + b_dec. Files whose line has no "schema" are older: theirs is p = (x − b_dec) W_enc + b_enc.
They read the residual stream of an image tower; its layer only folders or the settings of training say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.settings import read_json_line
from semascope.core.foreign.torch_files import TorchFile
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, measure, stored_dtype
from semascope.core.saes.formats.said import said_flag, said_number, said_section, said_text, said_whole
from semascope.core.saes.formats.torch_weights import Found, candidates, last_match, one_of, turned_by_shape
from semascope.core.saes.hooks import Place, place_problems

CONFIG = "config.json"
_TABLE: Table = {
    "W_enc": Stored("W_enc", ("d_in", "m")),
    "b_enc": Stored("b_enc", ("m",)),
    "W_dec": Stored("W_dec", ("m", "d_in")),
    "b_dec": Stored("b_dec", ("d_in",)),
}
_THRESHOLD = "activation.threshold"
_ACTIVATIONS = ("Relu", "TopK", "BatchTopK")
_NEWEST = 5
_DEFAULT_K = 32


class _Header(NamedTuple):
    """What the line of JSON says.

    Attributes:
        schema: Its version, 0 before there were any.
        activation: One of `_ACTIVATIONS`.
        k: The top-k's.
        config: The SAE's own settings.
        mixed: It is of a version that was written before and after b_dec ceased to be subtracted.
    """

    schema: int
    activation: str
    k: int
    config: Fields
    mixed: bool = False


def recognise(folder: Folder) -> str:
    """saev by a file of PyTorch's that begins with JSON."""
    names = _names(folder)
    return f"{names[0]} that begins with JSON" if names else ""


def members(folder: Folder) -> tuple[str, ...]:
    """Every such file."""
    return tuple(_names(folder))


def describe(folder: Folder) -> Layout:
    """One SAE of saev."""
    name = one_of(folder, [Found(name) for name in _names(folder)]).name
    line, begins = read_json_line(folder.file(name), name)
    header = _header(line)
    stored = folder.torch(name, begins)
    tensors = stored.header()
    activation, unset = _activation(header, stored)
    table = turned_by_shape(_TABLE, tensors)
    if activation == "jumprelu":
        table["threshold"] = Stored(_THRESHOLD, ("one",) * len(tensors[_THRESHOLD].shape))
    lengths = measure(tensors, table, name)
    k = check_k(min(header.k, lengths["m"]), lengths["m"], name) if header.activation != "Relu" else None
    training = folder.json(CONFIG) if CONFIG in folder.names else Fields({}, CONFIG)
    data = said_section(training, "train_data" if "train_data" in training else "data")
    place = _place(folder, name, data)
    sae = SAEConfig(
        format="saev",
        architecture=architecture_name(activation),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=_model_in(folder.path.as_posix()),
        k=k if activation == "topk" else None,
        rectify=activation != "topk",
        apply_b_dec_to_input=header.schema == 0,
        l0=None if k is None else float(k),
        dtype=stored_dtype(tensors, table),
        metadata=line.content,
        notes=tuple(_notes(header, stored, data, activation)),
        problems=(*place_problems(place), *unset, *_problems(header, data, lengths)),
    )
    file = folder.file(name)
    return Layout(sae, file, (file,), table, archive_at=begins)


FAMILY = Family(
    "saev",
    "saev",
    recognise,
    describe,
    files=("*.pt",),
    members=members,
    releases=(
        "osunlp/SAE_CLIP_*",
        "osunlp/SAE_BioCLIP_*",
        "osunlp/SAE_DINOv2_*",
        "osunlp/SAE_DINOv3_ViT-{S,B,L}-16_IN1K",
        "osunlp/SAE_DINOv3_TopK_ViT-L-16_IN1K",
    ),
    rule=(
        "sae.pt whose first line is JSON. b_dec is subtracted only where that line has no “schema”; the layer of the image"
        " tower stands in the folder's name (layer_23) or nowhere."
    ),
)


def _names(folder: Folder) -> list[str]:
    return [name for name in candidates(folder) if _begins_with_json(folder, name)]


def _begins_with_json(folder: Folder, name: str) -> bool:
    try:
        with folder.file(name).open("rb") as stream:
            return stream.read(1) == b"{"
    except OSError as error:
        raise from_os_error(error, f"read {name}") from error
    except UserError:
        if folder.chosen == name:
            raise
        return False


def _header(line: Fields) -> _Header:
    """What the line says, in any of its six versions.

    Raises:
        UserError: It is of a version or an activation that is not known.
    """
    if "schema" not in line:
        return _Header(0, "Relu", 0, line)
    schema, config = line.whole("schema") or 0, line.section("cfg")
    if not 1 <= schema <= _NEWEST:
        raise UserError(
            f"{line.source} is of version {schema} of saev's format, which is not known; {_NEWEST} is the newest that is."
        )
    cls = said_text(line, "cls")
    mixed = schema == 1 and cls in _ACTIVATIONS
    told = Fields({"cls": cls, "params": config.content}, line.source) if mixed else said_section(config, "activation")
    activation = said_text(told, "cls") or "Relu"
    if activation not in _ACTIVATIONS:
        raise UserError(f"{line.source} names the activation function “{activation[:40]}”, which is not known.")
    k = said_whole(said_section(told, "params"), "top_k")
    return _Header(schema, activation, _DEFAULT_K if k is None else k, config, mixed)


def _activation(header: _Header, stored: TorchFile) -> tuple[str, list[str]]:
    """The activation function, and a sentence where a threshold should be and is not."""
    if header.activation != "BatchTopK":
        return {"Relu": "relu", "TopK": "topk"}[header.activation], []
    if stored.number(_THRESHOLD) is not None:
        return "jumprelu", []
    return "topk", [
        "It was trained with a top-k over whole batches, and has no threshold to use instead: the k largest features of each"
        " token are kept, which is not the same."
    ]


def _place(folder: Folder, name: str, data: Fields) -> Place:
    """The hook point: the output of the block that the settings of training or the folders name."""
    said = data.content.get("layer")
    named = last_match(r"layer[-_](\d{1,3})(?!\d)", (folder.path / name).as_posix())
    layer = said if type(said) is int and 0 <= said < 1000 else int(named[1]) if named else None
    if layer is None:
        counted = f"; it is layer {said} counted from the end" if type(said) is int else ""
        return Place(
            None, f"It does not say its hook point, a layer of an image tower (vision.resid_post.LAYER){counted}."
        )
    return Place(HookPoint("resid_post", layer, "vision"))


def _model_in(path: str) -> str:
    """The model in the release's name: …/SAE_DINOv3_TopK_ViT-L-16_IN1K/… and …/SAE_CLIP_24K_ViT-B-16_IN1K"""
    match = last_match(r"SAE_([A-Za-z0-9]+)_(?:[^/]*?_)?(ViT-[A-Z][a-z]?-\d+)", path)
    return f"{match[1]} {match[2]}" if match else ""


def _notes(header: _Header, stored: TorchFile, data: Fields, activation: str) -> Iterator[str]:
    if header.schema == 0:
        yield "b_dec is subtracted first, as saev did when this file was written."
    if header.activation == "BatchTopK" and activation == "jumprelu":
        yield "It was trained with a top-k over whole batches; features are told by its threshold, as its library does."
    if activation == "topk":
        yield "The k largest pre-activations are kept even where they are negative."
    own = stored.tensors()
    if own["W_enc"].storage == own["W_dec"].storage:
        yield "Its encoder and decoder are the same numbers, which a fault of some versions of saev made them share."
    if tokens := said_text(data, "tokens") or said_text(data, "patches"):
        yield f"It was trained on these tokens of an image: {tokens[:40]}."


def _problems(header: _Header, data: Fields, lengths: Mapping[str, int]) -> Iterator[str]:
    scaled = [said_flag(data, name) for name in ("scale_mean", "scale_norm")]
    if header.schema == 0 and scaled != [False, False]:
        yield (
            "When this file was written, saev took the data set's mean off activations and scaled them to a mean norm of √d"
            " unless told otherwise; the file holds neither number."
        )
    if header.mixed:
        yield "saev ceased to subtract b_dec while it wrote files of this version; this one is read without."
    d_in = said_number(header.config, "d_model") or said_number(header.config, "d_vit")
    factor = said_number(header.config, "exp_factor")
    d_sae = said_number(header.config, "d_sae") or (d_in * factor if d_in and factor else None)
    for key, said, axis in (("d_model", d_in, "d_in"), ("d_sae", d_sae, "m")):
        if said not in (None, lengths[axis]):
            yield f"Its first line says {key} is {said:g}, but the tensors have {lengths[axis]}."
