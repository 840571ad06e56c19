"""Every place that a release can name, on GPT-2 and Gemma of their real classes: read, harvested and steered as a person would.

What the commands print is compared with plain `transformers` hooks (`plain_models`) and the formula of each format
(`plain_releases`).
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from semascope.cli import main
from tests.core.models.families import tokenizer
from tests.end2end import plain_layers as layered
from tests.end2end import plain_releases as releases
from tests.end2end.plain_models import BOS, LAYERS, NAMES, SPECIAL, Plain, save
from tests.end2end.plain_releases import GEMMA_SCOPE_2, Release, relu

TEXT = "Größe 日本, once upon"
PROMPT = "A tap, and what runs"
CORPUS = (
    "The first of few.",
    "Ein zweites, etwas länger als das erste.",
    "three\nlines\nhere",
    "αβγ and δ",
    "5 + 5 = 10",
)
ON_CPU = ("--device", "cpu", "--dtype", "fp32")
NEW = 5

Make = Callable[[Plain, Path], Release]

STREAM = {
    "hook_resid_pre": "resid_pre",
    "hook_attn_in": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_mlp_in": "resid_mid",
    "hook_resid_post": "resid_post",
    "ln1.hook_normalized": "attn_norm",
    "attn.hook_in": "attn_in",
    "attn.hook_z": "attn_z",
    "hook_attn_out": "attn_out",
    "attn.hook_out": "attn_raw",
    "ln2.hook_normalized": "mlp_norm",
    "mlp.hook_in": "mlp_in",
    "mlp.hook_post": "mlp_act",
    "hook_mlp_out": "mlp_out",
    "mlp.hook_out": "mlp_raw",
}
"""TransformerLens' names of places in a block, and ours."""

MODULES = {
    "gpt2": {
        "h.{}": "resid_post", "h.{}.attn": "attn_out", "h.{}.attn.c_proj": "attn_out", "h.{}.mlp": "mlp_out",
        "h.{}.ln_2": "mlp_in", "h.{}.ln_1": "attn_in",
    },
    "gemma3": {
        "layers.{}": "resid_post", "layers.{}.self_attn": "attn_raw", "layers.{}.mlp": "mlp_raw",
        "layers.{}.post_attention_layernorm": "attn_out", "layers.{}.pre_feedforward_layernorm": "mlp_in",
        "layers.{}.post_feedforward_layernorm": "mlp_out", "layers.{}.input_layernorm": "attn_in",
    },
}  # fmt: skip
"""Modules whose output sparsify's SAEs read, and ours."""


def _cases() -> dict[str, tuple[str, Make, bool]]:
    """Every case by its name: the model, what makes it, and whether it is harvested and steered too."""
    cases: dict[str, tuple[str, Make, bool]] = {}
    kinds = ("standard", "jumprelu", "topk", "gated")

    def add(model: str, name: str, make: Any, whole: bool = True) -> None:
        cases[f"{model} {name}"] = (model, make, whole)

    for model in ("gpt2", "gemma3"):
        joined = {"attn.hook_out": "attn_out", "mlp.hook_out": "mlp_out"} if model == "gpt2" else {}
        for at, (name, site) in enumerate((STREAM | joined).items()):
            for layer in range(LAYERS):
                lens = f"blocks.{layer}.{name}"
                make = partial(
                    releases.saelens, name=lens, site=site, layer=layer, architecture=kinds[(at + layer) % 4],
                    bos=bool(at % 2),
                )  # fmt: skip
                add(model, lens, make, whole=layer == 1)
        embed = "embed" if model == "gpt2" else "resid_pre"
        add(model, "hook_embed", partial(releases.saelens, name="hook_embed", site=embed, layer=0))
        for layer in range(LAYERS):
            add(model, f"head {layer}", partial(releases.saelens_head, layer=layer, head=layer + 1), whole=layer == 1)
            for module, site in MODULES[model].items():
                path = module.format(layer)
                make = partial(releases.sparsify, module=path, read=site, given=site, layer=layer)
                add(model, f"sparsify {path}", make, whole=layer == 1)
        mlp, out = ("h.1.mlp", "mlp_out") if model == "gpt2" else ("layers.1.mlp", "mlp_raw")
        make = partial(releases.sparsify, module=mlp, read="mlp_in", given=out, layer=1, transcode=True)
        add(model, f"sparsify transcoder {mlp}", make)
        for batch in (False, True):
            make = partial(releases.dictionary_learning, layer=2 - batch, batch=batch)
            add(model, f"dictionary_learning {'BatchTopK' if batch else 'AutoEncoder'}", make)
        for act in ("relu", "skip", "jumprelu", "topk"):
            make = partial(
                layered.transcoder_set, read="mlp.hook_in", given="mlp.hook_out", site="mlp_in", out=out, act=act
            )
            add(model, f"circuit-tracer {act}", make)
        for read, site in (("hook_resid_mid", "resid_mid"), ("ln2.hook_normalized", "mlp_norm")):
            make = partial(layered.transcoder_set, read=read, given="hook_mlp_out", site=site, out="mlp_out")
            add(model, f"circuit-tracer {read}", make)
        make = partial(layered.cross_layer, read="hook_resid_mid", site="resid_mid")
        add(model, "circuit-tracer cross-layer", make)
        for architecture, read, site in (
            ("transcoder", "blocks.1.ln2.hook_normalized", "mlp_norm"),
            ("skip_transcoder", "blocks.1.hook_resid_mid", "resid_mid"),
            ("jumprelu_transcoder", "blocks.1.mlp.hook_in", "mlp_in"),
        ):
            make = partial(
                releases.saelens, name=read, site=site, layer=1, architecture=architecture,
                out=("blocks.1.hook_mlp_out", "mlp_out"),
            )  # fmt: skip
            add(model, f"SAELens {architecture}", make)
        make = partial(
            releases.llama_scope, names=("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out"), site="mlp_norm",
            out="mlp_out", layer=1,
        )  # fmt: skip
        add(model, "Llama Scope transcoder", make)
        make = partial(
            releases.llama_scope, names=("blocks.2.hook_attn_out",) * 2, site="attn_out", out="attn_out", layer=2
        )
        add(model, "Llama Scope attention", make)
    for location, site in (
        ("mlp_post_act", "mlp_act"), ("resid_delta_attn", "attn_out"), ("resid_post_attn", "resid_mid"),
        ("resid_delta_mlp", "mlp_out"), ("resid_post_mlp", "resid_post"),
    ):  # fmt: skip
        for top_k in (False, True):
            make = partial(releases.openai, location=location, site=site, layer=1, top_k=top_k)
            add("gpt2", f"OpenAI {location}{' v5' * top_k}", make, whole=not top_k)
    for layer in range(LAYERS):
        for kind in ("res", "mlp", "att", "transcoders"):
            make = partial(releases.gemma_scope_1, kind=kind, layer=layer)
            add("gemma2", f"Gemma Scope 1 {kind} {layer}", make, whole=layer == 1)
        for model in ("gemma3", "gemma3_seeing"):
            for kind in GEMMA_SCOPE_2:
                make = partial(releases.gemma_scope_2, kind=kind, layer=layer)
                add(model, f"Gemma Scope 2 {kind} {layer}", make, whole=layer == 1)
                if model == "gemma3":
                    add(model, f"Gemma Scope 2 bare {kind} {layer}", partial(make, config=False), whole=False)
            make = partial(releases.gemma_scope_2, kind="transcoder", layer=layer, affine=True)
            add(model, f"Gemma Scope 2 affine {layer}", make, whole=layer == 1)
    for model in ("gemma3", "gemma3_seeing"):
        make = partial(layered.gemma_scope_2_layers, kind="clt", layers=tuple(range(LAYERS)))
        add(model, "Gemma Scope 2 cross-layer", make)
        add(model, "Gemma Scope 2 crosscoder", partial(layered.gemma_scope_2_layers, kind="crosscoder", layers=(0, 2)))
    # Gemma Scope 2's transcoders as SAELens saves them: TransformerLens' name is wrong, the module's right.
    make = partial(
        releases.saelens, name="blocks.1.hook_mlp_in", site="mlp_in", layer=1, architecture="jumprelu_transcoder",
        out=("blocks.1.hook_mlp_out", "mlp_out"), hf_hook_name="model.layers.1.pre_feedforward_layernorm.output",
        hf_hook_name_out="model.layers.1.post_feedforward_layernorm.output",
    )  # fmt: skip
    add("gemma3", "SAELens of Gemma Scope 2", make)
    # SAELens on plain transformers models: the module's path, with or without its side, and no other name.
    make = partial(releases.saelens, name="", site="resid_post", layer=1, hf_hook_name="model.layers.1.output")
    add("gemma3", "SAELens by module and side", make)
    make = partial(releases.saelens, name="model.layers.1.mlp", site="mlp_raw", layer=1)
    add("gemma3", "SAELens by module", make)
    make = partial(releases.saelens, name="", site="attn_raw", layer=1, hf_hook_name="model.layers.1.self_attn")
    add("gemma3", "SAELens by module alone", make)
    # Whose model nobody names: then the model that is open decides what a module's name means.
    for module, (site, said) in {
        "layers.1.mlp": ("mlp_raw", "mlp_out"),
        "layers.1.self_attn": ("attn_raw", "attn_out"),
        "layers.1.post_attention_layernorm": ("attn_out", "mlp_in"),
    }.items():
        make = partial(releases.sparsify, module=module, read=site, given=site, layer=1, unnamed=said)
        add("gemma3", f"sparsify of an unnamed model {module}", make)
    make = partial(
        releases.sparsify, module="layers.1.mlp", read="mlp_in", given="mlp_raw", layer=1, transcode=True,
        unnamed="mlp_out",
    )  # fmt: skip
    add("gemma3", "sparsify transcoder of an unnamed model", make)
    return cases


CASES = _cases()
WHOLE = [name for name, (_, _, whole) in CASES.items() if whole]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plain]:
    return {name: save(name, tmp_path_factory.mktemp("models") / name) for name in NAMES}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "few.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in CORPUS), encoding="utf-8")
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def command(*argv: object) -> Any:
        capsys.readouterr()
        status = main([str(part) for part in argv])
        told = capsys.readouterr()
        assert status == 0, told.err
        return json.loads(told.out)

    return command


def ids_of(text: str, bos: bool) -> list[int]:
    """A token a byte, by the tokenizer's own table."""
    return [BOS] * bos + tokenizer()(text)["input_ids"]


def special(ids: list[int], made: Release) -> Tensor:
    """Which tokens don't count."""
    return torch.tensor([token in SPECIAL or at < made.masked for at, token in enumerate(ids)])


def features_of(made: Release, plain: Plain, ids: list[int]) -> Tensor:
    return made.f(plain.read(made.reads, ids))


def sinks(x: Tensor, marked: Tensor) -> Tensor:
    """Tokens with more than four times the median norm of those that count."""
    norms = x.norm(dim=-1)
    return norms > 4 * norms[~marked].quantile(0.5)


def decoded(ids: list[int]) -> str:
    """The text of an answer."""
    return str(tokenizer().decode(ids, skip_special_tokens=True))


def steered_feature(f: Tensor) -> int:
    """One that fires on some tokens and not on others, of a middle encoder where there are several."""
    share = (f > 0).float().mean(0)
    some = ((share > 0.2) & (share < 0.9)).nonzero().flatten().tolist()
    return int(some[len(some) // 2])


@pytest.mark.parametrize("name", CASES)
def test_activations_are_those_of_the_place_that_the_release_names(
    name: str, models: dict[str, Plain], run: Callable[..., Any], tmp_path: Path
) -> None:
    model, make, whole = CASES[name]
    plain = models[model]
    made = make(plain, tmp_path)
    (about,) = run("identify", made.path, "--json")
    shown = [about[key] for key in ("kind", "format", "architecture", "hook_point", "hook_out", "problems")]
    assert shown == ["sae", made.format, made.architecture, made.hook_point, made.hook_out, []]
    ids = ids_of(TEXT, made.bos)
    x = plain.read(made.reads, ids)
    f, marked = made.f(x), special(ids, made)
    assert (f[~marked] > 0).any()
    pair = ("--model", plain.path, "--sae", made.path, *ON_CPU)
    found = run("activations", *pair, "--text", TEXT, "--top", f.shape[1], "--json")
    assert found["special"] == marked.tolist()
    assert len(found["tokens"]) == len(ids)
    listed = torch.zeros_like(f)
    for row in found["features"]:
        listed[:, row["id"]] = torch.tensor(row["activations"])
    fired = (f[~(marked | sinks(x, marked))] > 0).any(0)
    expected = torch.where(fired, f, 0.0)  # what fires on no token that counts is not listed
    torch.testing.assert_close(listed, expected, atol=2e-5, rtol=1e-4)
    assert torch.equal(listed != 0, expected != 0)
    if not whole:
        return
    asked = [steered_feature(f), f.shape[1] - 1]
    some = run("activations", *pair, "--text", TEXT, "--feature", *asked, "--json")
    rows = torch.tensor([row["activations"] for row in some["features"]]).T
    torch.testing.assert_close(rows, f[:, asked], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", WHOLE)
def test_a_clamped_feature_changes_the_answer_by_its_definition(
    name: str, models: dict[str, Plain], run: Callable[..., Any], tmp_path: Path
) -> None:
    """x' = x + (v − f) · d where the feature writes, on every token that counts, and nothing else."""
    model, make, _ = CASES[name]
    plain = models[model]
    made = make(plain, tmp_path)
    ids = ids_of(PROMPT, made.bos)
    f = features_of(made, plain, ids)
    feature = steered_feature(f)
    value = 3 * float(f.abs().max())
    reads, alone = made.alone(feature)

    def steer(ids: list[int]) -> contextlib.AbstractContextManager[None]:
        counted = (~special(ids, made)).float()
        return plain.edited(reads, lambda x: (value - alone(x)) * counted, made.writes(feature))

    expected, logprobs = plain.answer(ids, NEW, steer)
    untouched, _ = plain.answer(ids, NEW, lambda _ids: contextlib.nullcontext())
    pair = ("--model", plain.path, "--sae", made.path, *ON_CPU)
    limit = ("--max-tokens", NEW, "--json")
    found = run("generate", *pair, "--prompt", PROMPT, "--clamp", f"{feature}={value!r}", *limit)
    assert found["text"].rstrip("\ufffd") == decoded(expected).rstrip("\ufffd")
    torch.testing.assert_close(torch.tensor(found["logprobs"]), torch.tensor(logprobs), atol=2e-3, rtol=2e-3)
    assert found["baseline_text"].rstrip("\ufffd") == decoded(untouched).rstrip("\ufffd")


@pytest.mark.parametrize("name", WHOLE)
def test_a_harvest_counts_what_the_formula_gives(
    name: str, models: dict[str, Plain], corpus: Path, run: Callable[..., Any], tmp_path: Path
) -> None:
    model, make, _ = CASES[name]
    plain = models[model]
    made = make(plain, tmp_path)
    rows = [ids_of(text, made.bos) for text in CORPUS]
    x = torch.cat([plain.read(made.reads, ids) for ids in rows])
    marked = torch.cat([special(ids, made) for ids in rows])
    f = made.f(x)[~(marked | sinks(x, marked))]
    pair = ("--model", plain.path, "--sae", made.path, *ON_CPU)
    out = tmp_path / "harvest"
    summary = run("harvest", *pair, "--corpus", corpus, "--out", out, "--context", 64, "--json")
    counts = (len(f), f.shape[1], int((f > 0).any(0).sum()))
    assert (summary["tokens"], summary["features"], summary["alive"]) == counts
    listed = run("features", out, "--limit", 0, "--sort", "id", "--json")["features"]
    for key, expected in (("density", (f > 0).float().mean(0)), ("max", relu(f).max(0).values)):
        torch.testing.assert_close(torch.tensor([row[key] for row in listed]), expected, atol=2e-5, rtol=1e-4)


def test_the_program_itself_says_the_same_in_its_own_process(models: dict[str, Plain], tmp_path: Path) -> None:
    plain = models["gemma3_seeing"]
    made = releases.gemma_scope_2(plain, tmp_path, "transcoder", 1, affine=True)
    pair = ("--model", plain.path, "--sae", made.path, "--device", "cpu", "--dtype", "fp32", "--feature", "3")
    command = [sys.executable, "-m", "semascope", "activations", *pair, "--text", TEXT, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    row = json.loads(done.stdout)["features"][0]["activations"]
    f = features_of(made, plain, ids_of(TEXT, bos=True))
    torch.testing.assert_close(torch.tensor(row), f[:, 3], atol=2e-5, rtol=1e-4)
