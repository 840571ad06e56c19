"""dictionary_learning (saprmarks, SAEBench, andyrdt, canrager): `ae.pt`, a state dict, beside `config.json`.

Seven classes on raw activations. With p = (x − b_dec) W_enc + b_enc:

    AutoEncoder             f = relu(p)
    AutoEncoderNew          f = relu(x W_enc + b_enc)
    GatedAutoEncoder        f = relu(q · exp(r_mag) + b_mag) where q + b_gate > 0, q = (x − b_dec) W_enc
    JumpReluAutoEncoder     f = p where p > θ of the feature, p = x W_enc + b_enc
    AutoEncoderTopK         f = the k largest relu(p)
    BatchTopKSAE            f = p where p > θ, one θ for all features: what inference uses in place of a top-k over a batch
    MatryoshkaBatchTopKSAE  the same, its groups of features all active

and x̂ = f W_dec + b_dec, the decoder as it is stored. The file alone can't tell AutoEncoderTopK from BatchTopKSAE. Those of
jkminder's fork, `model.safetensors` or `ae.pt`, may carry the mean and scale of their activations: (x − mean) · s is read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.headers import TensorInfo
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.architectures import architecture_name
from semascope.core.saes.formats.dictionary_classes import (
    CLASSES,
    NORMALISER,
    DictionaryClass,
    classes_of,
    fold_normaliser,
)
from semascope.core.saes.formats.dictionary_places import places
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, check_k, measure, stored_dtype
from semascope.core.saes.formats.said import said_flag, said_number, said_section, said_text
from semascope.core.saes.formats.scalars import scalar
from semascope.core.saes.formats.torch_weights import (
    Found,
    candidates,
    header,
    last_match,
    one_of,
    prefixed,
    turned_by_shape,
)
from semascope.core.saes.hooks import place_problems

CONFIG = "config.json"
_FILE = r"ae(?:_\d{1,12})?\.pt"
_HUB = "model.safetensors"
"""Where jkminder's fork puts a dictionary that it publishes."""


_SHARED = ("AutoEncoderNew", "JumpReluAutoEncoder")
"""Classes whose tensors have names that others use too: a file of any name and no settings may be something else."""


def recognise(folder: Folder) -> str:
    """dictionary_learning by the tensors of a state dict, and for some classes by its name or settings."""
    found = _files(folder)
    if not found:
        return ""
    name, _, classes = found[0]
    return f"{name} with the tensors of {' or '.join(reversed(classes))}"


def members(folder: Folder) -> tuple[str, ...]:
    """The checkpoints of a folder that holds nothing else."""
    names = [file.name for file, _, _ in _files(folder)]
    return () if _main(names) else tuple(names)


def describe(folder: Folder) -> Layout:
    """One dictionary of dictionary_learning."""
    found = _files(folder)
    if not found:
        raise UserError(
            f"{folder.path.name} holds no dictionary of dictionary_learning.", "Copy the whole folder again."
        )
    main = _main([file.name for file, _, _ in found])
    chosen = [each for each in found if each[0].name == main] or found
    one_of(folder, [file for file, _, _ in chosen])
    file, tensors, classes = chosen[0]
    settings, home = _settings(folder)
    trainer, buffer = said_section(settings, "trainer"), said_section(settings, "buffer")
    name, doubt = _class_name(trainer, classes, folder, forked=f"{file.prefix}target_rms" in tensors)
    kind = CLASSES[name]
    normalised = all(f"{file.prefix}{stored.name}" in tensors for stored in NORMALISER.values())
    activation, k, unset = _activation(kind, name, trainer, folder, file)
    table = _with_threshold(kind, activation, tensors, file.prefix)
    table = prefixed({**table, **(NORMALISER if normalised else {})}, file.prefix)
    table = turned_by_shape(table, tensors)
    lengths = measure(tensors, table, file.name)
    model = said_text(trainer, "lm_name") or _model_in(folder.path.as_posix())
    transcoder = said_text(buffer, "io") == "in_and_out"
    read, given = places(trainer, buffer, folder, model)
    factor = _backup_factor(folder, file)
    scaled = _number(folder, file, "activation_global_scale") if normalised else None
    sae = SAEConfig(
        format="dictionary_learning",
        architecture=architecture_name(activation, transcoder=transcoder),
        activation=activation,
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        kind="transcoder" if transcoder else "sae",
        reads=read.hooks,
        writes=given.hooks,
        model_name=model,
        prepend_bos=said_flag(buffer, "add_special_tokens"),
        k=check_k(k, lengths["m"], CONFIG) if activation == "topk" else None,
        scale=1.0 / factor if factor else 1.0,
        apply_b_dec_to_input=kind.subtracts,
        l0=float(k) if k else said_number(trainer, "target_l0"),
        dtype=stored_dtype(tensors, table),
        metadata={**settings.content, "dict_class": name},
        notes=tuple(_notes(name, trainer, buffer, factor, scaled)),
        problems=(*place_problems(read, given), *doubt, *unset, *_problems(trainer, lengths)),
    )
    beside = (home.file(CONFIG),) if home else ()
    fold = fold_normaliser if normalised else None
    return Layout(sae, folder.file(file.name), (*beside, folder.file(file.name)), table, fold)


FAMILY = Family(
    "dictionary_learning",
    "dictionary_learning",
    recognise,
    describe,
    files=("*.pt", _HUB, CONFIG),
    members=members,
    releases=(
        "canrager/saebench_*",
        "adamkarvonen/saebench_*",
        "canrager/lm_sae",
        "andyrdt/saes-llama-3.1-8b-instruct",
        "andyrdt/saes-qwen2.5-7b-instruct",
        "andyrdt/saes-gpt-oss-20b",
    ),
    rule=(
        "ae.pt beside config.json, which names one of seven classes. BatchTopK dictionaries are read by their threshold, as"
        " the library infers with them, and top-k ones by k; a file alone can't tell which it is."
    ),
)

_Candidate = tuple[Found, Mapping[str, TensorInfo], tuple[str, ...]]


def _files(folder: Folder) -> list[_Candidate]:
    """The dictionaries of a folder: file, tensors, and the classes these may be of."""
    trainer = _settings(folder)[0].content.get("trainer")
    said = _said_class(Fields(trainer, CONFIG)) if isinstance(trainer, dict) else ""
    found: list[_Candidate] = []
    hub = [_HUB] if folder.chosen == _HUB or (folder.chosen in (None, CONFIG) and _HUB in folder.names) else []
    for name in [*hub, *(candidates(folder, _FILE) if folder.chosen != _HUB else ())]:
        tensors = header(folder, name)
        named = isinstance(trainer, dict) or re.fullmatch(_FILE, name) is not None
        classes, prefix = classes_of(tensors)
        if name == _HUB and "BatchTopKSAE" not in classes:  # many other things are called so
            continue
        if not classes and said in CLASSES and re.fullmatch(_FILE, name):
            classes = (said,)  # a damaged one; `describe` says what it lacks
        if classes and (named or classes[0] not in _SHARED):
            found.append((Found(name, prefix), tensors, classes))
    return found


def _main(names: Collection[str]) -> str:
    """The file that stands for its folder, or ""."""
    return next((name for name in ("ae.pt", _HUB) if name in names), "")


def _settings(folder: Folder) -> tuple[Fields, Folder | None]:
    """The settings beside the file, or above a folder of checkpoints, and their folder."""
    if CONFIG in folder.names:
        return folder.json(CONFIG), folder
    with contextlib.suppress(UserError):
        parent = Folder(folder.path.parent)
        above = parent.json(CONFIG)
        if isinstance(above.content.get("trainer"), dict):
            return above, parent
    return Fields({}, CONFIG), None


def _said_class(trainer: Fields) -> str:
    """The class that the settings name, by itself or as Python prints a class."""
    match = re.search(r"(\w+)\W*$", said_text(trainer, "dict_class"))
    return match[1] if match else ""


def _class_name(trainer: Fields, classes: Collection[str], folder: Folder, *, forked: bool) -> tuple[str, list[str]]:
    """The library's class, and a sentence where it had to be guessed."""
    said = _said_class(trainer)
    if said and said not in CLASSES:
        raise UserError(
            f"{CONFIG} says that this is a dictionary of the class “{said[:40]}”, which is not known.",
            f"Classes that are: {', '.join(CLASSES)}.",
        )
    if said:
        return said, []
    names = list(classes)
    if len(names) == 1 or forked:  # of jkminder's classes with these tensors only one can normalise
        return names[0], []
    trained = said_text(trainer, "trainer_class") or said_text(trainer, "wandb_name")
    if trained:
        return ("BatchTopKSAE" if "batch" in trained.lower() else "AutoEncoderTopK"), []
    path = re.sub(r"[-_ ]", "", folder.path.as_posix().lower())
    named = last_match(r"batchtopk|topk", path)
    name = "BatchTopKSAE" if named and named[0] == "batchtopk" else "AutoEncoderTopK"
    why = "its folder's name says so" if named else "that is a guess"
    return name, [
        f"Without {CONFIG} the file does not say whether it is an AutoEncoderTopK or a BatchTopKSAE, whose features differ;"
        f" it is read as {name}, and {why}. Put its {CONFIG} beside it."
    ]


def _activation(
    kind: DictionaryClass, name: str, trainer: Fields, folder: Folder, file: Found
) -> tuple[str, int | None, list[str]]:
    """The activation function, k where there is one, and a sentence where a threshold should be and is not."""
    if kind.activation not in ("threshold", "topk"):
        return kind.activation, None, []
    said, held = said_number(trainer, "k"), _number(folder, file, "k")
    used = said if held is None else held  # the settings are written before training, which may lower k
    k = int(used) if used is not None and 0 < used < 1 << 31 else None
    differ = (
        [f"{CONFIG} says k is {said:g}, but the file {held:g}."] if None not in (said, held) and said != held else []
    )
    if kind.activation == "topk":
        return "topk", k, differ
    threshold = _number(folder, file, "threshold")
    if threshold is not None and not threshold < 0:
        return "jumprelu", k, differ
    why = "is not in the file" if threshold is None else f"is unset ({threshold:g})"
    return (
        "topk",
        k,
        [
            *differ,
            f"The threshold of this {name} {why}: the k largest features of each token are kept instead, which is not the same.",
        ],
    )


def _number(folder: Folder, file: Found, name: str) -> float | None:
    """A single number among the tensors, NaN and infinity included where the file is PyTorch's."""
    whole = file.prefix + name
    return scalar(folder, file.name, whole) if file.name == _HUB else folder.torch(file.name).number(whole)


def _with_threshold(kind: DictionaryClass, activation: str, tensors: Mapping[str, TensorInfo], prefix: str) -> Table:
    if kind.activation != "threshold" or activation != "jumprelu":
        return kind.table
    axes = ("one",) * len(tensors[f"{prefix}threshold"].shape)
    return {**kind.table, "threshold": Stored("threshold", axes)}


def _notes(name: str, trainer: Fields, buffer: Fields, factor: float | None, scaled: float | None) -> Iterator[str]:
    if name == "BatchTopKSAE" or name == "MatryoshkaBatchTopKSAE":
        yield "It was trained with a top-k over whole batches; features are told by its threshold, as its library does."
    if name == "MatryoshkaBatchTopKSAE":
        yield "All its groups of features are active."
    if scaled not in (None, 1.0):
        yield f"Its inputs have a mean taken off and are multiplied by {scaled:.6g}; that is part of the weights."
    if factor:
        yield f"It is a backup from the middle of training, made for activations divided by {factor:g}; they are, here."
    elif (norm := said_number(trainer, "norm_factor")) is not None:
        yield f"It was trained on activations divided by {norm:g}; its weights contain that already."
    if said_flag(buffer, "remove_bos"):
        yield "Its makers left the BOS token out of training."


def _problems(trainer: Fields, lengths: Mapping[str, int]) -> Iterator[str]:
    for key, axis in (("activation_dim", "d_in"), ("dict_size", "m")):
        if (said := said_number(trainer, key)) not in (None, lengths[axis]):
            yield f"{CONFIG} says {key} is {said:g}, but the tensors have {lengths[axis]}."


def _backup_factor(folder: Folder, file: Found) -> float | None:
    """What inputs of a backup are to be divided by: only finished dictionaries have it in their weights."""
    if not file.prefix.startswith("ae.") or file.name == _HUB:
        return None
    content = folder.torch(file.name).content
    factor = content.get("norm_factor") if isinstance(content, dict) else None
    return float(factor) if isinstance(factor, float | int) and 1e-6 < factor < 1e6 and factor != 1 else None


def _model_in(path: str) -> str:
    """The model in the name of a SAEBench run: …/BatchTopKTrainer_EleutherAI_pythia-160m-deduped_ctx1024_0108/…"""
    match = last_match(r"Trainer(?:New)?_([A-Za-z0-9-]+)_([^/]+?)_ctx\d+", path)
    return f"{match[1]}/{match[2]}" if match else ""
