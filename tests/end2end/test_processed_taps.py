"""SAEs of GPT-2 as TransformerLens processes it: read and steered as in that model, whose weights are processed by hand.

Which form of activations an SAE takes its folder says, or its age, or its makers' habits; and some scale their input.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from semascope.cli import main
from tests.core.models.families import tokenizer
from tests.core.models.processed import processed_gpt2
from tests.end2end.plain_models import HEADS, SPECIAL, WIDTH, Plain, save
from tests.end2end.plain_releases import FEATURES, Weights, relu, write_json, write_tensors

TEXT = "Größe 日本, once upon"
ON_CPU = ("--device", "cpu", "--dtype", "fp32")
NEW = 3


class Made(NamedTuple):
    """An SAE on disk, and what it computes.

    Attributes:
        path: What is opened.
        f: Its features, of activations at its place in its form, shape (…, width).
        along: What is added for a unit of a feature, of the same activations.
        folded: Whether its form is the whole processing, or the centring alone.
        bos: Whether it wants a BOS.
    """

    path: Path
    f: Callable[[Tensor], Tensor]
    along: Callable[[Tensor, int], Tensor]
    folded: bool
    bos: bool = True


def _plain(w: Weights, path: Path, folded: bool, scale: float = 1.0, bos: bool = True) -> Made:
    """relu((x · s − b_dec) W + b), decoded over s."""
    return Made(path, lambda x: relu(w.p(x * scale - w.b_dec)), lambda _x, i: w.dec[i] / scale, folded=folded, bos=bos)


def _saelens(root: Path, w: Weights, config: dict[str, Any]) -> Path:
    tensors = {"W_enc": w.enc, "b_enc": w.b_enc, "W_dec": w.dec, "b_dec": w.b_dec}
    folder = write_tensors(root, "sae_weights.safetensors", **tensors)
    write_json(folder, "cfg.json", {"d_in": len(w.b_dec), "d_sae": FEATURES, **config})
    return folder


def version_6(root: Path, name: str, *, folded: bool) -> Made:
    """It says how the model was loaded."""
    w = Weights(1, WIDTH)
    how = {"center_writing_weights": True} | ({"fold_value_biases": True, "fold_ln": True} if folded else {})
    about = {"model_name": "gpt2", "hook_name": name, "prepend_bos": False, "model_from_pretrained_kwargs": how}
    config = {"architecture": "standard", "apply_b_dec_to_input": True, "metadata": about, "sae_lens_version": "6.0.0"}
    return _plain(w, _saelens(root, w, config), folded, bos=False)


def version_2(root: Path, name: str) -> Made:
    """gpt2-small-res-jb and its like: nothing says so but their age."""
    w = Weights(2, WIDTH)
    config = {"model_name": "gpt2-small", "hook_point": name, "hook_point_layer": 1, "hook_point_head_index": None}
    config |= {"context_size": 128, "prepend_bos": True, "l1_coefficient": 8e-5, "dtype": "torch.float32"}
    return _plain(w, _saelens(root, w, config), folded=True)


def mlp_out(root: Path) -> Made:
    """tommmcgrath/gpt2-small-mlp-out-saes: centred, and a factor that only SAELens' list of releases knows."""
    w = Weights(3, WIDTH)
    config = {"architecture": "standard", "model_name": "gpt2", "hook_name": "blocks.1.hook_mlp_out", "hook_layer": 1}
    config |= {"activation_fn_str": "relu", "normalize_activations": "expected_average_only_in", "prepend_bos": True}
    folder = root / "gpt2-small-mlp-out-saes/sae_group_gpt2_blocks.1.hook_mlp_out_24576:v0"
    return _plain(w, _saelens(folder, w, config), folded=False, scale=2.3693984005104283)


def normalised(root: Path, how: str) -> Made:
    """GPT-2's OAI-v5 re-saves (layer_norm), and constant_norm_rescale behind centred weights."""
    w = Weights(4, WIDTH)
    about = {"model_name": "gpt2", "hook_name": "blocks.1.hook_resid_post", "prepend_bos": False}
    about |= {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    config = {"architecture": "standard", "apply_b_dec_to_input": True, "normalize_activations": how}
    folder = _saelens(root, w, {**config, "metadata": about, "sae_lens_version": "6.0.0"})

    def size(x: Tensor) -> Tensor:
        if how == "layer_norm":
            return x.std(-1, keepdim=True) + 1e-5
        return x.norm(dim=-1, keepdim=True) / WIDTH**0.5

    def entering(x: Tensor) -> Tensor:
        return (x - x.mean(-1, keepdim=True) if how == "layer_norm" else x) / size(x)

    def along(x: Tensor, i: int) -> Tensor:
        return w.dec[i] * (size(x) - 1e-5 if how == "layer_norm" else size(x))

    return Made(folder, lambda x: relu(w.p(entering(x) - w.b_dec)), along, folded=False, bos=False)


def apollo(root: Path, name: str) -> Made:
    """Decoder columns of unit norm, TransformerLens' default loading."""
    w = Weights(5, WIDTH)
    key = name.replace(".", "-")
    tensors = {
        "encoder.0.weight": w.enc.T,
        "encoder.0.bias": w.b_enc,
        "decoder.weight": w.dec.T,
        "decoder.bias": w.b_dec,
    }
    root.mkdir()
    torch.save({f"{key}.{part}": tensor.contiguous() for part, tensor in tensors.items()}, root / "samples_400000.pt")
    (root / "final_config.yaml").write_text(f"tlens_model_name: gpt2-small\nsaes:\n  sae_positions: [{name}]\n")
    unit = w.dec / w.dec.norm(dim=-1, keepdim=True)
    return Made(root, lambda x: relu(w.p(x)), lambda _x, i: unit[i], folded=True, bos=False)


def ckkissane(root: Path, name: str, head: int | None = None) -> Made:
    """Attention SAEs of all heads side by side, or of one."""
    width = WIDTH if head is None else WIDTH // HEADS
    w = Weights(6, width)
    root.mkdir()
    stem = f"gpt2-small_L1_H{'cat' if head is None else head}_z_lr1.20e-03"
    tensors = {"W_enc": w.enc, "W_dec": w.dec, "b_enc": w.b_enc, "b_dec": w.b_dec}
    torch.save(tensors, root / f"{stem}.pt")
    about = {"act_name": name, "act_size": width, "dict_size": FEATURES, "model_name": "gpt2-small"}
    write_json(root, f"{stem}_cfg.json", about)
    part = slice(0, WIDTH) if head is None else slice(head * width, (head + 1) * width)

    def along(_x: Tensor, i: int) -> Tensor:
        whole = torch.zeros(WIDTH)
        whole[part] = w.dec[i]
        return whole

    return Made(root, lambda x: relu(w.p(x[..., part] - w.b_dec)), along, folded=True, bos=False)


_Z = "blocks.1.attn.hook_z"
_PLACES = (
    "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_mid", "blocks.2.hook_resid_post",
    "blocks.1.hook_attn_out", "blocks.1.hook_mlp_out", _Z,
)  # fmt: skip
CASES: dict[str, tuple[str, Callable[[Path], Made]]] = {
    **{f"centred {name}": (name, partial(version_6, name=name, folded=False)) for name in (*_PLACES, "hook_embed")},
    **{f"folded {name}": (name, partial(version_6, name=name, folded=True)) for name in _PLACES},
    **{f"version 2 {name}": (name, partial(version_2, name=name)) for name in _PLACES},
    **{f"Apollo {name}": (name, partial(apollo, name=name)) for name in _PLACES[:3]},
    "mlp_out": ("blocks.1.hook_mlp_out", mlp_out),
    "layer_norm": ("blocks.1.hook_resid_post", partial(normalised, how="layer_norm")),
    "norm_rescale": ("blocks.1.hook_resid_post", partial(normalised, how="constant_norm_rescale")),
    "ckkissane": (_Z, partial(ckkissane, name=_Z)),
    "ckkissane one head": (_Z, partial(ckkissane, name=_Z, head=2)),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Plain:
    return save("gpt2", tmp_path_factory.mktemp("models") / "gpt2")


def said(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    capsys.readouterr()
    status = main([str(part) for part in argv])
    told = capsys.readouterr()
    assert status == 0, told.err
    return json.loads(told.out)


@pytest.mark.parametrize("case", CASES)
def test_it_is_read_and_steered_as_in_the_model_it_was_made_for(
    case: str, plain: Plain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, make = CASES[case]
    made = make(tmp_path / "sae")
    ids = [0] * made.bos + tokenizer()(TEXT)["input_ids"]
    seen, logits = processed_gpt2(plain.module, torch.tensor([ids]), folded=made.folded)
    theirs = plain.module(torch.tensor([ids])).logits
    torch.testing.assert_close(logits, theirs, atol=1e-3, rtol=1e-3)  # the same function
    f = made.f(seen[name][0])
    pair = ("--model", plain.path, "--sae", made.path, *ON_CPU)
    found = said(capsys, "activations", *pair, "--text", TEXT, "--feature", *range(FEATURES), "--json")
    rows = torch.tensor([row["activations"] for row in found["features"]]).T
    torch.testing.assert_close(rows, f, atol=5e-5, rtol=1e-4)

    feature = int((f > 0).float().mean(0).sub(0.5).abs().argmin())
    value = 3 * float(f.max())

    def edit(at: str, x: Tensor) -> Tensor:
        if at != name:
            return x
        change = (value - made.f(x)[..., feature]) * counted
        return x + change[..., None] * made.along(x, feature)

    expected: list[float] = []
    for _ in range(NEW):
        counted = torch.tensor([token not in SPECIAL for token in ids]).float()
        _, logits = processed_gpt2(plain.module, torch.tensor([ids]), edit, folded=made.folded)
        ids.append(int(logits[0, -1].argmax()))
        expected.append(float(logits[0, -1].log_softmax(-1).max()))
    assert 1 not in ids[-NEW:]
    clamp = ("--clamp", f"{feature}={value!r}", "--max-tokens", NEW)
    steered = said(capsys, "generate", *pair, "--prompt", TEXT, *clamp, "--json")
    torch.testing.assert_close(torch.tensor(steered["logprobs"]), torch.tensor(expected), atol=2e-3, rtol=2e-3)
    (about,) = said(capsys, "identify", made.path, "--json")
    assert (about["kind"], about["problems"]) == ("sae", [])
