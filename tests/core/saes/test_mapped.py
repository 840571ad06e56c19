"""Tensors mapped by hand: every part and activation against plain formulas, what a map leaves open, maps that lie, guesses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe, detect
from semascope.core.saes.formats.mapped import mapped_layout
from semascope.core.saes.tensor_guess import guess, tensor_headers
from semascope.core.saes.tensor_map import MAP, TensorMap
from semascope.core.saes.tensor_shapes import faults

D, M = 12, 40
Made = dict[str, Tensor]


def made(*names: str, seed: int = 0) -> Made:
    """Random tensors by our names, in our orientation."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (D, M), "W_dec": (M, D), "b_dec": (D,), "b_pre": (D,), "W_skip": (D, D)}
    return {name: torch.randn(shapes.get(name, (M,)), generator=draw) * 0.5 for name in names}


LINEAR = ("W_enc", "b_enc", "W_dec", "b_dec")
NAMES = {"W_enc": "enc.kernel", "b_enc": "enc.b", "W_dec": "dec.kernel", "b_dec": "dec.b"}


def write(folder: Path, tensors: Made, file: str = "weights.safetensors") -> None:
    path = folder / file
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if file.endswith(".safetensors"):
        save_file(tensors, path)
    elif file.endswith(".npz"):
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    else:
        torch.save({"state_dict": tensors}, path)


def say(folder: Path, **record: Any) -> None:
    (folder / MAP).write_text(json.dumps({"format": "semascope-map", "version": 1, **record}), encoding="utf-8")


def plain(tensors: Made) -> dict[str, str]:
    return {name: f"their_{name}" for name in tensors}


def activate(name: str, p: Tensor, t: Made, k: int = 5) -> Tensor:
    match name:
        case "relu":
            return p.clamp_min(0)
        case "tanh_relu":
            return p.clamp_min(0).tanh()
        case "jumprelu":
            return torch.where(p > t["threshold"].clamp_min(0), p, 0.0)
        case "topk" | "abstopk":
            ids = (p.abs() if name == "abstopk" else p).topk(k).indices
            kept = torch.zeros_like(p).scatter(-1, ids, p.gather(-1, ids))
            return kept if name == "abstopk" else kept.clamp_min(0)
        case "groupmax":
            groups = p.view(len(p), k, -1)
            return torch.where(groups == groups.amax(-1, keepdim=True), groups, 0.0).clamp_min(0).view(p.shape)
        case "gated":
            raise AssertionError("has a formula of its own")
    raise AssertionError(name)


@pytest.mark.parametrize("file", ["weights.safetensors", "weights.npz", "weights.pt", "weights.bin"])
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh_relu", "jumprelu", "topk", "abstopk", "groupmax"])
def test_every_activation(tmp_path: Path, activation: str, subtract: bool, file: str) -> None:
    extra = ("threshold",) if activation == "jumprelu" else ()
    t = made(*LINEAR, *extra)
    # Stored the other way round, as PyTorch's layers are; the shapes say so.
    turned = {"W_enc": t["W_enc"].T, "W_dec": t["W_dec"].T}
    write(tmp_path, {f"their_{name}": turned.get(name, tensor) for name, tensor in t.items()}, file)
    above = "state_dict." if file.endswith((".pt", ".bin")) else ""
    k = {"k": 5} if activation in ("topk", "abstopk", "groupmax") else {}
    tensors = {name: above + theirs for name, theirs in plain(t).items()}
    say(
        tmp_path,
        weights=file,
        tensors=tensors,
        activation=activation,
        subtract_b_dec=subtract,
        hook="resid_post.3",
        **k,
    )
    sae = open_sae(tmp_path, device="cpu")
    x = torch.randn(9, D, generator=torch.Generator().manual_seed(1))
    p = (x - t["b_dec"] if subtract else x) @ t["W_enc"] + t["b_enc"]
    f = activate(activation, p, t)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), f @ t["W_dec"] + t["b_dec"], atol=1e-5, rtol=1e-5)
    assert torch.equal(sae.encode(x) != 0, f != 0)
    assert str(sae.config.hook_point) == "resid_post.3"


def test_gated_with_a_bias_taken_off_first(tmp_path: Path) -> None:
    t = made("W_enc", "W_dec", "b_dec", "b_pre", "b_gate", "r_mag", "b_mag")
    write(tmp_path, {f"their_{name}": tensor for name, tensor in t.items()})
    say(tmp_path, weights="weights.safetensors", tensors=plain(t), activation="gated")
    sae, x = open_sae(tmp_path, device="cpu"), torch.randn(9, D)
    q = (x - t["b_pre"]) @ t["W_enc"]
    f = torch.where(q + t["b_gate"] > 0, (q * t["r_mag"].exp() + t["b_mag"]).clamp_min(0), 0.0)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-4, rtol=1e-5)
    assert any("hook point" in problem for problem in sae.config.problems)
    assert any("subtracted before the encoder" in note for note in sae.config.notes)


def test_a_bias_taken_off_first_tied_weights_and_no_others(tmp_path: Path) -> None:
    t = made("W_dec", "b_pre")
    write(tmp_path, {"dictionary": t["W_dec"], "mu": t["b_pre"]})
    say(tmp_path, weights="weights.safetensors", tensors={"W_dec": "dictionary", "b_pre": "mu"}, tied=True)
    sae, x = open_sae(tmp_path, device="cpu"), torch.randn(9, D)
    f = ((x - t["b_pre"]) @ t["W_dec"].T).clamp_min(0)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(f), f @ t["W_dec"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("how", ["number", "scalar", "one", "logarithm"])
def test_thresholds_of_every_kind(tmp_path: Path, how: str) -> None:
    t = made(*LINEAR)
    their = {f"their_{name}": tensor for name, tensor in t.items()}
    tensors, extra, theta = plain(t), {}, torch.tensor(0.3)
    if how == "number":
        extra["threshold"] = 0.3
    elif how == "logarithm":
        theta = made("threshold")["threshold"].abs()
        their["lt"], tensors["log_threshold"] = theta.log(), "lt"
    else:
        their["t"], tensors["threshold"] = theta.reshape(() if how == "scalar" else (1,)).clone(), "t"
    write(tmp_path, their)
    say(tmp_path, weights="weights.safetensors", tensors=tensors, activation="jumprelu", **extra)
    sae, x = open_sae(tmp_path, device="cpu"), torch.randn(9, D)
    p = x @ t["W_enc"] + t["b_enc"]
    torch.testing.assert_close(sae.encode(x), torch.where(p > theta, p, 0.0), atol=1e-5, rtol=1e-5)


def test_a_transcoder_with_a_skip_connection_in_two_files(tmp_path: Path) -> None:
    t = made(*LINEAR, "W_skip")
    write(tmp_path, {"e": t["W_enc"], "eb": t["b_enc"], "skip": t["W_skip"].T}, "enc.safetensors")
    write(tmp_path, {"e": t["W_dec"], "db": t["b_dec"]}, "dec.safetensors")
    tensors = {
        "W_enc": "e",
        "b_enc": "eb",
        "W_skip": {"name": "skip", "axes": ["d_out", "d_in"]},
        "W_dec": {"name": "e", "file": "dec.safetensors"},
        "b_dec": {"name": "db", "file": "dec.safetensors"},
    }
    say(tmp_path, weights="enc.safetensors", tensors=tensors, hook="mlp_in.2", hook_out="mlp_out.2", model="gpt2")
    sae, x = open_sae(tmp_path, device="cpu"), torch.randn(9, D)
    f = (x @ t["W_enc"] + t["b_enc"]).clamp_min(0)
    torch.testing.assert_close(sae(x), f @ t["W_dec"] + t["b_dec"] + x @ t["W_skip"], atol=1e-5, rtol=1e-5)
    config = sae.config
    assert (config.kind, config.architecture) == ("transcoder", "skip_transcoder")
    assert (str(config.hook_point), str(config.hook_out)) == ("mlp_in.2", "mlp_out.2")
    found = identify(tmp_path)
    assert (found.kind, found.format) == ("sae", "mapped")


def test_square_matrices_and_fewer_features_than_values(tmp_path: Path) -> None:
    square = torch.randn(D, D)
    write(tmp_path, {"e": square, "d": torch.randn(D, D)})
    say(tmp_path, weights="weights.safetensors", tensors={"W_enc": "e", "W_dec": "d"})
    with pytest.raises(UserError, match="leaves open"):
        open_sae(tmp_path)
    axes = {"W_enc": {"name": "e", "axes": ["m", "d_in"]}, "W_dec": {"name": "d", "axes": ["m", "d_out"]}}
    say(tmp_path, weights="weights.safetensors", tensors=axes)
    x = torch.randn(3, D)
    torch.testing.assert_close(open_sae(tmp_path, device="cpu").encode(x), (x @ square.T).clamp_min(0))
    few = torch.randn(D, 5)
    write(tmp_path, {"e": few, "b": torch.zeros(5), "d": torch.randn(5, D)})
    say(tmp_path, weights="weights.safetensors", tensors={"W_enc": "e", "b_enc": "b", "W_dec": "d"})
    assert open_sae(tmp_path, device="cpu").config.d_sae == 5


def test_one_map_for_a_file_of_each_layer(tmp_path: Path) -> None:
    for layer in (2, 10, 3):
        t = made(*LINEAR, seed=layer)
        write(tmp_path, {f"their_{name}": tensor for name, tensor in t.items()}, f"layer_{layer}.pt")
    tensors = {name: f"state_dict.{theirs}" for name, theirs in plain(made(*LINEAR)).items()}
    say(tmp_path, weights="layer_{layer}.pt", tensors=tensors, hook="resid_post.{layer}")
    found = detect(tmp_path)
    assert found is not None
    assert [path.name for path in found.members] == ["layer_2.pt", "layer_3.pt", "layer_10.pt"]
    with pytest.raises(UserError, match="holds 3 SAEs"):
        describe(tmp_path)
    sae = open_sae(tmp_path / "layer_10.pt", device="cpu")
    assert str(sae.config.hook_point) == "resid_post.10"
    torch.testing.assert_close(sae.b_enc, made(*LINEAR, seed=10)["b_enc"])


def test_left_in_the_file(tmp_path: Path) -> None:
    t = made(*LINEAR)
    write(tmp_path, {f"their_{name}": tensor for name, tensor in t.items()})
    say(tmp_path, weights="weights.safetensors", tensors=plain(t))
    sae, x = open_sae(tmp_path, device="cpu", mapped=True), torch.randn(3, D)
    assert sae.mapped
    torch.testing.assert_close(sae(x), open_sae(tmp_path, device="cpu")(x))


# --- maps that lie ----------------------------------------------------------------------------------------------------------

LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda r: r.update(format="else"),
    "a later version": lambda r: r.update(version=2),
    "an unknown part": lambda r: r["tensors"].update(W_key="their_W_enc"),
    "a tensor that isn't there": lambda r: r["tensors"].update(W_enc="absent"),
    "no encoder": lambda r: r["tensors"].pop("W_enc"),
    "a file elsewhere": lambda r: r["tensors"].update(W_enc={"name": "their_W_enc", "file": "../secret.safetensors"}),
    "an absolute file": lambda r: r.update(weights="/etc/passwd"),
    "a folder for a file": lambda r: r["tensors"].update(W_enc={"name": "their_W_enc", "file": "below"}),
    "a number for a name": lambda r: r["tensors"].update(W_enc=3),
    "axes of another part": lambda r: r["tensors"].update(b_enc={"name": "their_b_enc", "axes": ["d_in"]}),
    "the wrong way round": lambda r: r["tensors"].update(W_enc={"name": "their_W_enc", "axes": ["m", "d_in"]}),
    "a vector for a matrix": lambda r: r["tensors"].update(W_enc="their_b_enc"),
    "whole numbers": lambda r: r["tensors"].update(b_dec="whole"),
    "an unknown activation": lambda r: r.update(activation="swish"),
    "top-k without k": lambda r: r.update(activation="topk"),
    "a k beyond the features": lambda r: r.update(activation="topk", k=41),
    "groups that don't part": lambda r: r.update(activation="groupmax", k=7),
    "JumpReLU without thresholds": lambda r: r.update(activation="jumprelu"),
    "gated without a gate": lambda r: r.update(activation="gated"),
    "an unknown normalisation": lambda r: r.update(normalize="sometimes"),
    "a scale of 0": lambda r: r.update(scale=0),
    "a hook point that is none": lambda r: r.update(hook="everywhere"),
    "a layer that the name lacks": lambda r: r.update(hook="resid_post.{layer}"),
    "two hook points": lambda r: r.update(hook="resid_post.1-2"),
    "a list for the tensors": lambda r: r.update(tensors=[1]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_map_that_lies_is_refused_in_words(tmp_path: Path, lie: str) -> None:
    folder = tmp_path / "sae"
    (folder / "below").mkdir(parents=True)
    t = made(*LINEAR)
    their = {f"their_{name}": tensor for name, tensor in t.items()}
    write(folder, {**their, "whole": torch.zeros(D, dtype=torch.int64)})
    write(tmp_path, their, "secret.safetensors")
    record: dict[str, Any] = {
        "format": "semascope-map", "version": 1, "weights": "weights.safetensors", "tensors": plain(t), "hook": "resid_post.1",
    }  # fmt: skip
    LIES[lie](record)
    (folder / MAP).write_text(json.dumps(record))
    with pytest.raises(UserError) as refused:
        open_sae(folder)
    assert refused.value.sentence.endswith((".", "?"))
    assert identify(folder).problems


def test_a_map_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "sae"
    folder.mkdir()
    write(tmp_path, made(*LINEAR), "secret.safetensors")
    (folder / "weights.safetensors").symlink_to(tmp_path / "secret.safetensors")
    say(folder, weights="weights.safetensors", tensors={name: name for name in LINEAR})
    with pytest.raises(UserError, match="outside the folder"):
        open_sae(folder)


# --- guesses ----------------------------------------------------------------------------------------------------------------

STYLES = {
    "ours": {"W_enc": "W_enc", "b_enc": "b_enc", "W_dec": "W_dec", "b_dec": "b_dec"},
    "layers": {"W_enc": "encoder.weight", "b_enc": "encoder.bias", "W_dec": "decoder.weight", "b_dec": "decoder.bias"},
    "a wrapped module": {"W_enc": "module.sae.encoder.weight", "b_enc": "module.sae.encoder.bias",
                         "W_dec": "module.sae.decoder.weight", "b_dec": "module.sae.b_dec"},
    "short": {"W_enc": "We", "b_enc": "be", "W_dec": "Wd", "b_dec": "bd"},
}  # fmt: skip


@pytest.mark.parametrize("width", [M, D], ids=["wide", "square"])
@pytest.mark.parametrize("style", STYLES)
def test_a_guess_by_names_and_shapes(tmp_path: Path, style: str, width: int) -> None:
    names = STYLES[style]
    t = {
        "W_enc": torch.randn(D, width),
        "b_enc": torch.randn(width),
        "W_dec": torch.randn(width, D),
        "b_dec": torch.randn(D),
    }
    stored = {names[r]: (v.T if names[r].endswith("weight") and v.dim() == 2 else v) for r, v in t.items()}
    write(tmp_path, stored)
    (tmp_path / "config.json").write_text(json.dumps({"hidden_dim": D, "dict_size": width, "k": 4, "layer": 7}))
    folder = Folder(tmp_path)
    headers = tensor_headers(folder)
    plan = guess(folder, headers)
    assert faults(plan, headers, plan.weights) == []
    assert (plan.activation, plan.k, plan.hook) == ("topk", 4, "resid_post.7")
    layout = mapped_layout(folder, plan, plan.weights)
    assert {role: stored.name for role, stored in layout.table.items()} == names
    (tmp_path / MAP).write_text(json.dumps(plan.to_json()))
    assert TensorMap.from_fields(Folder(tmp_path).json(MAP)) == plan
    x = torch.randn(3, D)
    p = x @ t["W_enc"] + t["b_enc"]
    torch.testing.assert_close(
        open_sae(tmp_path, device="cpu").encode(x), activate("topk", p, t, 4), atol=1e-5, rtol=1e-5
    )


def test_a_guess_by_shapes_alone_and_for_many_files(tmp_path: Path) -> None:
    for layer in (1, 2):
        write(tmp_path, {"alpha": torch.randn(D, M), "omega": torch.randn(M, D)}, f"x{layer}.safetensors")
    folder = Folder(tmp_path)
    headers = tensor_headers(folder)
    plan = guess(folder, headers)
    assert (plan.weights, plan.hook) == ("x{layer}.safetensors", "resid_post.{layer}")
    assert faults(plan, headers, "x1.safetensors") == []


def test_nothing_to_guess(tmp_path: Path) -> None:
    write(tmp_path, {"a": torch.randn(3), "b": torch.randn(2, 2, 2)})
    (tmp_path / "broken.pt").write_bytes(b"rubbish")
    folder = Folder(tmp_path)
    headers = tensor_headers(folder)
    assert list(headers) == ["weights.safetensors"]
    plan = guess(folder, headers)
    assert not plan.tensors
    assert faults(plan, headers, plan.weights)[0] == "Which tensor is the encoder (W_enc)?"


def test_an_unknown_folder_with_tensors_says_how_to_map_them(tmp_path: Path) -> None:
    write(tmp_path, {"a": torch.randn(3)})
    with pytest.raises(UserError) as refused:
        describe(tmp_path)
    assert MAP in refused.value.hint
