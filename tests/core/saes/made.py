"""Small folders of what the fixtures don't show, as the tests of each family make them: the same misfortunes meet them too."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from semascope.core.saes.save import save_saelens
from tests.core.saes import test_circuit_tracer as tracer
from tests.core.saes import (
    test_ckkissane,
    test_crosscoder,
    test_dictionary_learning,
    test_linear_pairs,
    test_llama_scope_r1,
    test_llamascopium,
    test_mapped,
    test_saev,
    test_temporal,
    test_vit_prisma,
)
from tests.core.saes import test_gemma_scope_2_layers as scope
from tests.core.saes.golden import GOLDEN, folders
from tests.core.saes.make_layers import layered


def _mapped(folder: Path) -> None:
    own = test_mapped.made(*test_mapped.LINEAR, "b_pre", "threshold")
    folder.mkdir(parents=True)
    test_mapped.write(folder, {f"their_{name}": tensor for name, tensor in own.items()}, "weights_3.npz")
    test_mapped.say(folder, weights="weights_{layer}.npz", tensors=test_mapped.plain(own), activation="jumprelu",
                    subtract_b_dec=False, hook="resid_post.{layer}")  # fmt: skip


def _checkpoint(folder: Path) -> None:
    """SAELens in the middle of training a BatchTopK, with the factor of its input in a file of its own."""
    shutil.copytree(GOLDEN / "sae_lens/standard", folder, ignore=shutil.ignore_patterns("golden_*"))
    config = json.loads((folder / "cfg.json").read_text())
    config |= {"architecture": "batchtopk", "k": 8, "normalize_activations": "expected_average_only_in"}
    (folder / "cfg.json").write_text(json.dumps(config))
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.5, "has_whitening": false}')
    state = {"W_enc": (16, 64), "W_dec": (64, 16), "b_enc": (64,), "b_dec": (16,)}
    tensors = {name: torch.randn(shape) for name, shape in state.items()}
    save_file({**tensors, "topk_threshold": torch.tensor(0.4)}, folder / "sae_weights.safetensors")


def _cross_layer(folder: Path) -> None:
    """circuit-tracer's, two layers of it with thresholds."""
    tracer.config(folder, model_kind="cross_layer_transcoder")
    for at in range(2):
        encoder = {f"W_enc_{at}": (40, 12), f"b_enc_{at}": (40,), f"b_dec_{at}": (12,), f"threshold_{at}": (40,)}
        save_file({name: torch.randn(shape) for name, shape in encoder.items()}, folder / f"W_enc_{at}.safetensors")
        save_file({f"W_dec_{at}": torch.randn(40, 2 - at, 12)}, folder / f"W_dec_{at}.safetensors")


def _llamascopium(act_fn: str, kind: str) -> Callable[[Path], object]:
    if kind == "clt":
        places = {"hook_points_in": test_llamascopium.HOOKS_IN, "hook_points_out": test_llamascopium.HOOKS_OUT}
        own = test_llamascopium.clt_tensors(act_fn)
        return lambda folder: test_llamascopium.write(folder, own, sae_type="clt", act_fn=act_fn, **places)
    own = test_llamascopium.tensors(act_fn, glu=True)
    return lambda folder: test_llamascopium.write(folder, own, act_fn=act_fn, use_glu_encoder=True)


def _dictionary(name: str) -> Callable[[Path], object]:
    tensors = test_dictionary_learning.TENSORS[name]
    return lambda folder: test_dictionary_learning.saved(folder, tensors, dict_class=name, activation_dim=12, k=5)


MADE: dict[str, Callable[[Path], object]] = {
    "made/ckkissane": test_ckkissane.saved,
    "made/circuit_tracer/clt": _cross_layer,
    "made/circuit_tracer/set": lambda folder: tracer.make_set(folder, {at: tracer.layer(at, skip=True) for at in range(2)}),
    "made/crosscoder": lambda folder: test_crosscoder.save(folder, test_crosscoder.crosscoder(scaled=True)),
    **{f"made/dictionary_learning/{name}/trainer_0": _dictionary(name) for name in test_dictionary_learning.TENSORS},
    "made/gemma_scope_2/clt/width_262k_l0_big_affine": lambda folder: scope.make(folder, affine=True),
    "made/gemma_scope_2/crosscoder/layer_5_9_12_15": lambda folder: scope.make(folder, (40,) * 4, config=scope.CROSS),
    "made/goodfire": lambda folder: test_linear_pairs.saved(
        folder / "Llama-3.1-8B-Instruct-SAE-l19.pth", test_linear_pairs.state("goodfire")
    ),
    "made/llama_scope_r1/L3R": lambda folder: test_llama_scope_r1.write(folder, test_llama_scope_r1.tensors()),
    "made/llamascopium/glu": _llamascopium("jumprelu", "sae"),
    "made/llamascopium/clt": _llamascopium("topk", "clt"),
    "made/mapped": _mapped,
    "made/qresearch": lambda folder: test_linear_pairs.saved(
        folder / "DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt", test_linear_pairs.state("qresearch")
    ),
    "made/sae_lens/checkpoint": _checkpoint,
    "made/sae_lens/clt": lambda folder: save_saelens(layered("cross_layer_transcoder", "jumprelu"), folder),
    "made/sae_lens/crosscoder": lambda folder: save_saelens(layered("crosscoder", "topk", skip=True), folder),
    "made/saev/batch": lambda folder: test_saev.saved(
        folder, test_saev.new(5, "BatchTopK", top_k=5), test_saev.state(**{"activation.threshold": torch.tensor(0.3)})
    ),
    "made/saev/top": lambda folder: test_saev.saved(folder, test_saev.new(4, "TopK", top_k=5)),
    "made/temporal": lambda folder: test_temporal.write(folder, test_temporal.tensors(tied=False)),
    "made/vit_prisma/gated": lambda folder: test_vit_prisma.saved(
        folder, test_vit_prisma.state(test_vit_prisma.GATED), architecture="gated"
    ),
    "made/vit_prisma/transcoder": lambda folder: test_vit_prisma.saved(
        folder, test_vit_prisma.state(test_vit_prisma.TRANSCODER), is_transcoder=True, d_out=12
    ),
}  # fmt: skip
"""What can be made, by the folder it is made in."""


def everything() -> list[str]:
    """The fixtures, and what is made."""
    return [*folders(), *MADE]


@functools.cache
def source(name: str) -> Path:
    """The folder of one of `everything`."""
    if name not in MADE:
        return GOLDEN / name
    folder = Path(os.environ["SEMASCOPE_BASEDIR"]) / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    MADE[name](folder)
    return folder
