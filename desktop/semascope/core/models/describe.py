"""What a model is, from its settings and headers alone: a `transformers` folder or a GGUF file. Imports no torch.

For `core.identify`, and for saying what is wrong before gigabytes are read; opening a model is `open`'s matter.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from semascope.core.errors import UserError, from_os_error
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
INDEX = "model.safetensors.index.json"

_BLOCK = re.compile(r"(?:^|\.)(?:layers|h)\.(\d{1,4})\.")
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight")
_OTHER_TOWERS = re.compile(r"visi|visual|image|audio")


@dataclass(frozen=True)
class ModelDescription:
    """A model as far as its headers tell.

    Attributes:
        architecture: The class of `transformers`, or the GGUF architecture; "" when it isn't said.
        layers: Number of blocks, or None.
        d_model: Width of the residual stream, or None.
        multimodal: Whether it also takes images.
        problems: Sentences about what is missing or broken.
    """

    architecture: str
    layers: int | None
    d_model: int | None
    multimodal: bool
    problems: tuple[str, ...] = ()


def is_model_folder(folder: Folder) -> bool:
    """Whether a folder's config.json is that of a `transformers` model."""
    if "config.json" not in folder.names or folder.chosen is not None:
        return False
    config = folder.json("config.json")
    return "model_type" in config or "architectures" in config


def describe_folder(folder: Folder) -> ModelDescription:
    """The model in a `transformers` folder.

    Raises:
        UserError: Its config.json makes no sense.
    """
    config = folder.json("config.json")
    text = next((config.section(name) for name in ("text_config", "llm_config") if name in config), config)
    names = config.content.get("architectures")
    first = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    layers = _first(text, "num_hidden_layers", "n_layer", "num_layers")
    width = _first(text, "hidden_size", "n_embd", "d_model")
    if layers is None or width is None:
        counted, measured = _by_weights(folder)
        layers, width = counted if layers is None else layers, measured if width is None else width
    return ModelDescription(
        architecture=first or config.text("model_type"),
        layers=layers,
        d_model=width,
        multimodal="vision_config" in config,
        problems=tuple(_missing(folder)),
    )


def _first(config: Fields, *names: str) -> int | None:
    return next((config.whole(name) for name in names if name in config), None)


def _by_weights(folder: Folder) -> tuple[int | None, int | None]:
    """Blocks and width by the weights' headers: LLaVA's settings leave out what their class takes for granted."""
    blocks: set[int] = set()
    width = None
    for name in sorted(folder.names):
        if not name.endswith(".safetensors"):
            continue
        try:
            header = folder.header(name)
        except UserError:
            continue  # `_missing` says so
        for tensor, info in header.items():
            if _OTHER_TOWERS.search(tensor):
                continue
            if match := _BLOCK.search(tensor):
                blocks.add(int(match[1]))
            if tensor.endswith(_EMBEDDINGS) and len(info.shape) == 2:
                width = info.shape[1]
    return (max(blocks) + 1 if blocks else None), width


def _missing(folder: Folder) -> Iterator[str]:
    """What a folder lacks to be opened."""
    if not folder.names.intersection(TOKENIZER_FILES):
        yield "It has no tokenizer: copy the model's tokenizer files (tokenizer.json) too."
    weights = sorted(name for name in folder.names if name.endswith(".safetensors"))
    if not weights:
        pickled = any(name.endswith((".bin", ".pt", ".pth")) for name in folder.names)
        yield (
            "Its weights are pickled, and pickles are not opened: convert it to safetensors."
            if pickled
            else "It has no weights: copy its .safetensors files too."
        )
    if INDEX in folder.names:
        parts = {str(part) for part in folder.json(INDEX).section("weight_map").content.values()}
        absent = sorted(parts - folder.names)
        if absent:
            yield f"{len(absent)} of its {len(parts)} weights files are missing, for instance {absent[0][:80]}."
    for name in weights:
        try:
            folder.header(name)
        except UserError as error:
            yield error.sentence


_GGUF_MAGIC = b"GGUF"
_GGUF_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_GGUF_STRING, _GGUF_ARRAY = 8, 9
_MOST_KEYS, _MOST_STRING, _MOST_ITEMS = 4096, 1 << 20, 1 << 24
_MOST_STRINGS = 1 << 22


def is_gguf(path: Path) -> bool:
    """Whether a file begins as GGUF files do."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) == _GGUF_MAGIC
    except OSError:
        return False


def describe_gguf(path: Path) -> ModelDescription:
    """The model in a GGUF file, from the first few keys of its header.

    Raises:
        UserError: The header is damaged.
    """
    try:
        with path.open("rb") as stream:
            found = _gguf_keys(stream)
    except (struct.error, ValueError, LookupError) as error:
        raise UserError(f"{path.name} is damaged: its GGUF header makes no sense.", "Copy it again.") from error
    except OSError as error:
        raise from_os_error(error, f"read {path}") from error
    name = str(found.get("general.architecture", ""))[:80]
    layers, width = found.get(f"{name}.block_count"), found.get(f"{name}.embedding_length")
    return ModelDescription(
        architecture=name,
        layers=layers if isinstance(layers, int) else None,
        d_model=width if isinstance(width, int) else None,
        multimodal=False,
        problems=() if name else ("It does not say which architecture it is.",),
    )


def _gguf_keys(stream: IO[bytes]) -> dict[str, Any]:
    """The header's keys and plain values, until those that describe the model have been found."""
    _magic, version = stream.read(4), _unpack(stream, "I")
    if version not in (2, 3):
        raise ValueError("unknown version")
    _tensors, keys = _unpack(stream, "Q"), _unpack(stream, "Q")
    found: dict[str, Any] = {}
    strings = _MOST_STRINGS  # those in arrays are passed one by one, which takes its time
    for _ in range(min(keys, _MOST_KEYS)):
        key = _string(stream)
        found[key], passed = _value(stream, _unpack(stream, "I"), strings)
        strings -= passed
        name = found.get("general.architecture")
        if name is not None and {f"{name}.block_count", f"{name}.embedding_length"} <= found.keys():
            break
    return found


def _unpack(stream: IO[bytes], kind: str) -> Any:
    return struct.unpack(f"<{kind}", stream.read(struct.calcsize(kind)))[0]


def _string(stream: IO[bytes]) -> str:
    length = _unpack(stream, "Q")
    if length > _MOST_STRING:
        raise ValueError("a string is too long")
    return stream.read(length).decode("utf-8", "replace")


def _value(stream: IO[bytes], kind: int, most: int) -> tuple[Any, int]:
    """One value, and how many strings were passed on the way to its end; arrays, of no more than `most` strings, are skipped."""
    if kind == _GGUF_STRING:
        return _string(stream), 0
    if kind != _GGUF_ARRAY:
        return _unpack(stream, _GGUF_SIZES[kind]), 0
    item, count = _unpack(stream, "I"), _unpack(stream, "Q")
    if count > (most if item == _GGUF_STRING else _MOST_ITEMS):
        raise ValueError("an array is too long")
    if item != _GGUF_STRING:
        stream.seek(count * struct.calcsize(_GGUF_SIZES[item]), 1)
        return None, 0
    for _ in range(count):
        _string(stream)
    return None, count
