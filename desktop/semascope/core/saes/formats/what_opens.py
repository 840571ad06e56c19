"""The page "What opens": written from the tables that the program itself opens files by, so that it can't say otherwise.

`python -m semascope.core.saes.formats.what_opens` prints it; `resources/help/what-opens.md` is what it printed. No torch.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from semascope.core.models.hookpoint import SITES
from semascope.core.saes import checked
from semascope.core.saes.config import PROCESSINGS
from semascope.core.saes.formats.detect import FAMILIES
from semascope.core.saes.formats.layout import Family
from semascope.core.saes.tensor_map import ACTIVATIONS, FORMAT, MAP, ROLES, VERSION

_WIDTH = 120

MODELS: Mapping[str, tuple[str, ...]] = {
    "GPT-2": ("GPT2LMHeadModel",),
    "GPT-NeoX (Pythia)": ("GPTNeoXForCausalLM",),
    "Llama, and what is built like it": ("LlamaForCausalLM",),
    "Mistral": ("MistralForCausalLM",),
    "Qwen 2 and 2.5": ("Qwen2ForCausalLM",),
    "Qwen 3": ("Qwen3ForCausalLM",),
    "Qwen 3.5 and Qwen 3 Next, whose layers are partly linear": (
        "Qwen3_5ForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3NextForCausalLM",
    ),
    "Gemma 1, 2 and 3": ("GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM"),
    "gpt-oss": ("GptOssForCausalLM",),
    "Gemma 3 with images": ("Gemma3ForConditionalGeneration",),
    "LLaVA, LLaVA-NeXT and LLaVA-OneVision": (
        "LlavaForConditionalGeneration",
        "LlavaNextForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
    ),
    "Qwen 2-VL, 2.5-VL and 3-VL": (
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
    ),
    "Idefics 3 and SmolVLM": ("Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration"),
    "PaliGemma 1 and 2": ("PaliGemmaForConditionalGeneration",),
}
"""The families that are tested at every hook point, and their classes of `transformers`; others open where they are built alike."""

REPORTED: Mapping[str, str] = {
    "path": "the path, as it was given",
    "kind": "`sae` (of a model `model`, and so on)",
    "format": "the family, by the names in brackets above",
    "title": "the family's name for people",
    "why": "what it was recognised by (also as `recognised_by`)",
    "recognised_by": "see `why`",
    "architecture": "SAELens' name where it has one, otherwise one built the same way",
    "dictionary": "`sae`, `transcoder`, `transcoder_set`, `cross_layer_transcoder` or `crosscoder`",
    "hook_point": "where it reads, in one line (`mlp_in.0-25`); null when no file says it",
    "hook_points": "the same, one by one",
    "hook_out": "where it writes",
    "hook_points_out": "the same, one by one",
    "model_name": "the model it was made for",
    "d_in": "width of what it reads, at each hook point",
    "d_out": "width of what it reconstructs, at each hook point",
    "d_sae": "features of each encoder",
    "encoders": "how many encoders it has",
    "features": "features in all",
    "activation": "the activation function",
    "threshold": "whether every feature has a threshold of its own",
    "k": "features kept for a token, of a top-k",
    "negative_kept": "whether negative activations may be among those kept",
    "apply_b_dec_to_input": "whether b_dec is subtracted first",
    "pre_bias": "the same in words",
    "normalize": "what happens to each activation first",
    "processing": "in what form activations are taken (see Hook points)",
    "scale": "a factor of the input that the weights do not contain",
    "units": "what f is in, in words",
    "skip": "whether there is a linear skip connection",
    "head": "the one attention head it reads, or null",
    "mask": "positions and tokens that its makers left out, in words",
    "mask_first": "how many positions at the start of a context they left out",
    "mask_ids": "which tokens they left out",
    "prepend_bos": "whether a BOS belongs before each context; null when that isn't said",
    "bos": "the same in words",
    "l0": "the mean number of active features its makers state",
    "dtype": "how the weights are stored",
    "memory": "bytes it takes as `float32`, as `bfloat16`, and `mapped`: left in its file",
    "notes": "what to know about how it is read, although nothing is wrong",
    "asks": "what no file says and you must: `hook_point`, `hook_out`, `scale`, `activation`, `k`",
    "problems": "what is wrong, or could not be known, in sentences",
}
"""What `identify --json` says of an SAE."""

_MAP = {
    "format": FORMAT,
    "version": VERSION,
    "weights": "weights.pt",
    "tensors": {
        "W_enc": {"name": "encoder.weight", "axes": ["m", "d_in"]},
        "b_enc": "encoder.bias",
        "W_dec": {"name": "decoder.weight", "axes": ["d_out", "m"]},
        "b_dec": "decoder.bias",
    },
    "activation": "topk",
    "k": 64,
    "subtract_b_dec": True,
    "hook": "resid_post.8",
    "model": "gpt2",
}
"""An example of a map."""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield "# What opens"
    yield ""
    yield "<!-- Written by semascope.core.saes.formats.what_opens from the program's own tables. -->"
    yield ""
    yield from _text(
        "Drop a folder or a file on the window, or name it to `semascope identify`. What it is, is told by the names of its"
        " files, by small settings and by headers; weights are read only when it is opened, and no code in a file is ever run:"
        " a pickle that holds anything but tensors and plain values is refused. Names in the path count too, so keep a"
        " release's folders as they were published: often they alone say layer and hook point."
    )
    for title in _PARTS:
        yield f"- [{title}](#{title.lower().replace(' ', '-').replace(',', '')})"
    yield ""
    for title, part in _PARTS.items():
        yield f"## {title}"
        yield ""
        yield from part()


def _text(paragraph: str) -> Iterator[str]:
    """A paragraph in lines, and an empty one."""
    yield from textwrap.wrap(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)
    yield ""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (heads, ("---",) * len(heads), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _models() -> Iterator[str]:
    yield from _text(
        "Folders of Hugging Face `transformers` with `.safetensors` weights and a tokenizer, and GGUF files. A model that would"
        " need its own code to run is refused. These families are tested at every hook point, for reading, steering and text:"
    )
    for title, classes in MODELS.items():
        yield f"- {title}: {', '.join(f'`{name}`' for name in classes)}"
    yield ""


def _hooks() -> Iterator[str]:
    yield from _text(
        "A hook point is written SITE.LAYER, layers counted from 0: `resid_post.15`; in an image tower `vision.resid_post.11`;"
        " of a dictionary that reads several, `mlp_in.0-25` or `resid_post.5,resid_post.9`."
    )
    yield from _table(("site", "what it is"), ((f"`{site}`", what) for site, what in SITES.items()))
    yield from _text("Activations are taken in one of these forms:")
    for name, what in PROCESSINGS.items():
        yield f"- `{name}`: {what}"
    yield ""


def _families() -> Iterator[str]:
    yield from _text(
        "The first family that recognises a folder has it, in this order. Every one of them can be converted to SAELens'"
        " format with `semascope convert SAE OUT`, losing nothing."
    )
    for family in FAMILIES:
        yield from _family(family)


def _family(family: Family) -> Iterator[str]:
    own_name = family.title.split()[0].replace("-", "_") == family.name
    title = family.title if own_name else f"{family.title[:1].upper()}{family.title[1:]}"
    yield f"### {title} (`{family.name}`)"
    yield ""
    yield from _text(family.rule)
    yield from _text(f"Files: {', '.join(f'`{name}`' for name in family.files)}")
    yield from _text("Published:")
    for release in family.releases:
        yield f"- {release if ' ' in release else f'`{release}`'}"
    yield ""


def _mapping() -> Iterator[str]:
    yield from _text(
        f"A file `{MAP}` beside the weights says which tensor is which. In the window, “Map its tensors…” writes it, with a"
        " preview of the self-check; by hand it is a small JSON file:"
    )
    yield "```json"
    yield json.dumps(_MAP, indent=2)
    yield "```"
    yield ""
    yield from _text(
        "A tensor is its name, with its axes where its shape leaves them open (m features, d_in and d_out values) and its"
        " `file` where that is another one. `{layer}` in `weights` and `hook` stands for a number: one map for a file of each"
        " layer."
    )
    yield from _table(
        ("part", "what it is", "axes"),
        ((f"`{name}`", role.words, ", ".join(role.axes)) for name, role in ROLES.items()),
    )
    yield from _text(f"Activations: {', '.join(f'`{name}` ({words})' for name, words in ACTIVATIONS.items())}.")


def _reports() -> Iterator[str]:
    yield from _text("`semascope identify PATH … --json` prints a list with one object for each path. Of an SAE:")
    yield from _table(("key", "what it says"), ((f"`{name}`", what) for name, what in REPORTED.items()))
    yield from _text(
        "A folder of many SAEs has `release` instead: a list of `{path, place, format, architecture, hook_point, d_sae, l0, …}`."
        " A set of transcoders has its `members` too. With `--model M` (or models among the paths), `fit` says whether it fits"
        " each of them and why not, `fits` lists those it does; with `--corpus C` too, `check` is the self-check."
    )


def _check() -> Iterator[str]:
    yield from _text(
        "An SAE that is read in the wrong place, form or scale gives numbers all the same. So on opening, a few thousand tokens"
        " are run through model and SAE, without special tokens, attention sinks and what its makers left out, and these must"
        " be plausible:"
    )
    enough, predicted = checked.ENOUGH_EXPLAINED, checked.ENOUGH_PREDICTED
    little, unpredicted = checked.LITTLE_EXPLAINED, checked.LITTLE_PREDICTED
    yield f"- the explained variance, 1 − Σ‖x − x̂‖² / Σ‖x − mean‖²: {enough:g} or above, of transcoders and crosscoders"
    yield f"  {predicted:g} or above (below {little:g} and {unpredicted:g}: implausible);"
    yield f"- the number of active features: within a factor of {checked.L0_FACTOR:g} of what its makers state, and sparse;"
    yield "- the features: not the same few on every token."
    yield ""
    yield from _text(
        "Where they are not, or where much is left to explain, other forms, scales, normalisations and the hook points around"
        " are tried on the same tokens; an SAE whose files name no hook point is tried in every layer. A reading is recommended"
        f" only if it is plausible and leaves at most {checked.LESS_UNEXPLAINED:.0%} of what was unexplained. On the command"
        " line it is given with `--hook`, `--hook-out`, `--processing`, `--input-scale`, `--normalize` and `--threshold-factor`."
    )


_PARTS = {
    "Models": _models,
    "Hook points": _hooks,
    "SAEs, transcoders and crosscoders": _families,
    "Tensors that no family knows": _mapping,
    "What identify reports": _reports,
    "The self-check": _check,
}


if __name__ == "__main__":
    print(page(), end="")
