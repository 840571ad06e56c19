"""circuit-tracer's folders in every form the library writes and its releases have, each against a plain formula."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.identify import identify
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes import open_sae
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.detect import describe, detect, saes_within
from semascope.core.saes.release import scan
from tests.core.saes.golden import GOLDEN
from tests.core.saes.make_layers import activate

D, F, L = 12, 40, 3


def layer(
    seed: int, *, features: int = F, skip: bool = False, threshold: bool = False, **others: Tensor
) -> dict[str, Tensor]:
    """One transcoder as the library saves it."""
    draw = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (features, D), "W_dec": (features, D), "b_enc": (features,), "b_dec": (D,)}
    shapes |= {"W_skip": (D, D)} if skip else {}
    shapes |= {"activation_function.threshold": (features,)} if threshold else {}
    return {name: torch.randn(shape, generator=draw) / 3 for name, shape in shapes.items()} | others


def compute(own: dict[str, Tensor], x: Tensor, k: int | None = None) -> tuple[Tensor, Tensor]:
    """f and x̂ with the skip, by the library's formula."""
    p = x @ own["W_enc"].T + own["b_enc"]
    if k is not None:
        top = p.topk(k, dim=-1)
        f = torch.zeros_like(p).scatter(-1, top.indices, top.values)
    elif "activation_function.threshold" in own:
        f = p.relu() * (p > own["activation_function.threshold"])
    else:
        f = p.relu()
    skipped = x @ own["W_skip"].T if "W_skip" in own else 0.0
    return f, f @ own["W_dec"] + own["b_dec"] + skipped


def config(folder: Path, **settings: Any) -> None:
    """Write config.yaml."""
    said = {
        "model_name": "meta-llama/Llama-3.2-1B", "model_kind": "transcoder_set",
        "feature_input_hook": "hook_resid_mid", "feature_output_hook": "hook_mlp_out", **settings,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        "".join(f"{name}: {value}\n" for name, value in said.items() if value is not None)
    )


def make_set(folder: Path, layers: dict[int, dict[str, Tensor]], **settings: Any) -> Path:
    """A folder of transcoders."""
    config(folder, **settings)
    for at, own in layers.items():
        save_file(own, folder / f"layer_{at}.safetensors")
    return folder


def read(path: Path) -> SAEConfig:
    return describe(path).config


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("threshold", [False, True])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_set(tmp_path: Path, skip: bool, threshold: bool, mapped: bool) -> None:
    layers = {at: layer(at, skip=skip, threshold=threshold) for at in range(L)}
    sae = open_sae(make_set(tmp_path / "set", layers), device="cpu", mapped=mapped)
    named = ("jumprelu_" if threshold else "") + ("skip_" if skip else "") + "transcoder_set"
    assert (sae.config.architecture, sae.mapped, sae.config.problems) == (named, mapped, ())
    assert (hooks_text(sae.config.reads), hooks_text(sae.config.writes)) == ("resid_mid.0-2", "mlp_out.0-2")
    assert (sae.config.mask_first, sae.config.prepend_bos, sae.config.features) == (1, True, L * F)
    x = torch.randn(L, 9, D)
    f, x_hat = (torch.stack(each) for each in zip(*(compute(layers[at], x[at]) for at in range(L)), strict=True))
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mapped", [False, True])
def test_each_file_of_a_set_is_a_transcoder_too(tmp_path: Path, mapped: bool) -> None:
    layers = {at: layer(at, skip=True) for at in range(L)}
    folder = make_set(tmp_path / "set", layers)
    detected = detect(folder)
    assert detected is not None
    assert [path.name for path in detected.members] == [f"layer_{at}.safetensors" for at in range(L)]
    sae = open_sae(detected.members[2], device="cpu", mapped=mapped)
    assert (sae.config.kind, sae.config.architecture, sae.mapped) == ("transcoder", "skip_transcoder", mapped)
    assert (str(sae.config.hook_point), str(sae.config.hook_out)) == ("resid_mid.2", "mlp_out.2")
    x = torch.randn(9, D)
    f, x_hat = compute(layers[2], x)
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)


def test_a_release_lists_the_set_and_its_layers(tmp_path: Path) -> None:
    make_set(tmp_path / "set", {at: layer(at) for at in range(2)})
    names = ["set", "layer_0.safetensors", "layer_1.safetensors"]
    assert [path.name for path in saes_within(Folder(tmp_path))] == names
    listed = [found for found in scan(tmp_path) if found is not None]
    assert [(found.path.name, found.hook_point) for found in listed] == list(
        zip(names, ["resid_mid.0-1", "resid_mid.0", "resid_mid.1"], strict=True)
    )


@pytest.mark.parametrize("where", ["config", "file", "release"])
@pytest.mark.parametrize("count", [1, 2])
def test_top_k_keeps_negative_values(tmp_path: Path, where: str, count: int) -> None:
    k = 128 if where == "release" else 6
    features = 160 if where == "release" else F
    stored = {"k": torch.tensor(k)} if where == "file" else {}
    # Few are positive, so that some of the k largest are not.
    layers = {at: layer(at, features=features, **stored) for at in range(count)}
    for own in layers.values():
        own["b_enc"] -= 2.0
    folder = tmp_path / ("crv-8b-instruct-transcoders" if where == "release" else "set")
    settings = {"activation": "topk"} | ({"k": k} if where == "config" else {})
    sae = open_sae(make_set(folder, layers, **({} if where == "file" else settings)), device="cpu")
    assert (sae.config.activation, sae.config.k, sae.config.rectify) == ("topk", k, False)
    assert any("negative ones too" in note for note in sae.config.notes)
    x = torch.randn(count, 9, D)
    f, x_hat = (torch.stack(each) for each in zip(*(compute(layers[at], x[at], k) for at in range(count)), strict=True))
    assert bool((f < 0).any())
    torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(sae.encode(x)), x_hat, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("k", [0, F + 1, "many", None])
def test_an_impossible_k_is_a_sentence(tmp_path: Path, k: object) -> None:
    with pytest.raises(UserError, match="k is"):
        read(make_set(tmp_path, {0: layer(0)}, activation="topk", k=k))


@pytest.mark.parametrize("k", [torch.tensor(torch.inf), torch.tensor(torch.nan), torch.tensor(0), torch.tensor(-3)])
def test_an_impossible_k_in_the_file_is_a_sentence(tmp_path: Path, k: Tensor) -> None:
    with pytest.raises(UserError, match="k is"):
        read(make_set(tmp_path, {0: layer(0, k=k)}, activation="topk"))


def test_decoders_may_lie_the_other_way_round(tmp_path: Path) -> None:
    own = layer(0)
    turned = own | {"W_dec": own["W_dec"].T.contiguous()}
    x = torch.randn(5, D)
    sae = open_sae(make_set(tmp_path, {4: turned}), device="cpu")
    torch.testing.assert_close(sae(x), compute(own, x)[1], atol=1e-5, rtol=1e-5)


def test_as_many_features_as_values_are_read_as_the_library_saves_them(tmp_path: Path) -> None:
    own = layer(0, features=D)
    x = torch.randn(5, D)
    sae = open_sae(make_set(tmp_path, {4: own}), device="cpu")
    torch.testing.assert_close(sae(x), compute(own, x)[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("hooks", "places"),
    [
        (("mlp.hook_in", "mlp.hook_out"), ("mlp_in.3", "mlp_out.3")),
        (("hook_resid_mid", "hook_mlp_out"), ("resid_mid.3", "mlp_out.3")),
        (("ln2.hook_normalized", "hook_mlp_out"), ("mlp_norm.3", "mlp_out.3")),
        (("hook_resid_pre", "hook_resid_post"), ("resid_pre.3", "resid_post.3")),
    ],
)
def test_where_it_reads_and_writes(tmp_path: Path, hooks: tuple[str, str], places: tuple[str, str]) -> None:
    found = read(make_set(tmp_path, {3: layer(0)}, feature_input_hook=hooks[0], feature_output_hook=hooks[1]))
    assert (str(found.hook_point), str(found.hook_out)) == places


def test_the_raw_output_of_gemma_s_mlp_is_another_place_than_what_it_adds(tmp_path: Path) -> None:
    found = read(make_set(tmp_path, {3: layer(0)}, model_name="google/gemma-2-2b", feature_output_hook="mlp.hook_out"))
    assert str(found.hook_out) == "mlp_raw.3"


@pytest.mark.parametrize(
    ("model", "first", "bos"),
    [("google/gemma-3-1b-it", 4, True), ("google/gemma-3-1b-pt", 1, True), ("Qwen/Qwen3-4B", 1, None)],
)
def test_what_is_left_out(tmp_path: Path, model: str, first: int, bos: bool | None) -> None:
    found = read(make_set(tmp_path, {3: layer(0)}, model_name=model))
    assert (found.model_name, found.mask_first, found.prepend_bos) == (model, first, bos)


def test_unknown_places_are_none_and_said(tmp_path: Path) -> None:
    found = read(make_set(tmp_path, {0: layer(0), 1: layer(1)}, feature_input_hook="hook_nowhere"))
    assert (found.reads, len(found.problems)) == ((), 1)
    assert "blocks.0.hook_nowhere" in found.problems[0]


def test_without_its_config_a_published_set_is_known_by_name(tmp_path: Path) -> None:
    named = make_set(tmp_path / "qwen3-4b-transcoders", {5: layer(0)})
    (named / "config.yaml").unlink()
    found = read(named)
    assert (str(found.hook_point), str(found.hook_out), found.problems) == ("mlp_in.5", "mlp_out.5", ())
    assert any("config.yaml is missing" in note for note in found.notes)
    assert found.model_name == "Qwen/Qwen3-4B"
    other = make_set(tmp_path / "mine", {5: layer(0), 6: layer(1)})
    (other / "config.yaml").unlink()
    unknown = read(other)
    assert unknown.reads == ()
    assert "hook point" in unknown.problems[0]
    assert "mlp_in.5-6" in unknown.problems[0]


@pytest.mark.parametrize("name", ["wandb-config.yaml", "wanb-config.yaml"])
def test_the_training_run_s_settings_are_kept(tmp_path: Path, name: str) -> None:
    make_set(tmp_path, {3: layer(0)}, scan="qwen3-4b")
    (tmp_path / name).write_text("batch_size:\n  value: 32\nd_model:\n  value: 12\n_wandb:\n  version: 1\n")
    found = read(tmp_path)
    assert found.metadata["training"] == {"batch_size": 32, "d_model": 12}
    assert found.metadata["scan"] == "qwen3-4b"


def test_files_elsewhere_are_named_and_not_followed(tmp_path: Path) -> None:
    make_set(tmp_path / "set", {0: layer(0)}, transcoders="\n- hf://google/gemma-scope-2b/params.npz\n- /etc/passwd")
    assert any("hf://google/gemma-scope-2b/params.npz, /etc/passwd" in note for note in read(tmp_path / "set").notes)
    config(tmp_path / "list", transcoders="\n- layer: 0\n  filepath: hf://a/b/c.npz")
    with pytest.raises(UserError, match=r"lie elsewhere, for instance hf://a/b/c\.npz"):
        read(tmp_path / "list")


def test_a_gap_in_a_set_is_said(tmp_path: Path) -> None:
    sae = open_sae(make_set(tmp_path, {0: layer(0), 2: layer(2)}), device="cpu")
    assert hooks_text(sae.config.reads) == "resid_mid.0,resid_mid.2"
    assert "no transcoder of layer 1" in sae.config.problems[0]


def test_layers_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="different architectures"):
        read(make_set(tmp_path / "kinds", {0: layer(0), 1: layer(1, threshold=True)}))
    narrow = {name: tensor[..., : D - 1] if tensor.shape[-1] == D else tensor for name, tensor in layer(1).items()}
    with pytest.raises(UserError, match="does not fit"):
        read(make_set(tmp_path / "widths", {0: layer(0), 1: {k: v.contiguous() for k, v in narrow.items()}}))


class TestCrossLayer:
    """Encoders and decoders in files of their own."""

    def make(self, folder: Path, *, threshold: bool = False, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        draw = torch.Generator().manual_seed(3)
        config(folder, model_kind="cross_layer_transcoder")
        everything: dict[str, Tensor] = {}
        for at in range(L):
            encoder = {f"W_enc_{at}": (F, D), f"b_enc_{at}": (F,), f"b_dec_{at}": (D,)}
            encoder |= {f"threshold_{at}": (F,)} if threshold else {}
            own = {name: (torch.randn(shape, generator=draw) / 3).to(dtype) for name, shape in encoder.items()}
            decoder = {f"W_dec_{at}": (torch.randn((F, L - at, D), generator=draw) / 3).to(dtype)}
            save_file(own, folder / f"W_enc_{at}.safetensors")
            save_file(decoder, folder / f"W_dec_{at}.safetensors")
            everything |= own | decoder
        return {name: tensor.float() for name, tensor in everything.items()}

    @pytest.mark.parametrize("threshold", [False, True])
    @pytest.mark.parametrize("mapped", [False, True])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_it_computes_the_formula(self, tmp_path: Path, threshold: bool, mapped: bool, dtype: torch.dtype) -> None:
        own = self.make(tmp_path, threshold=threshold, dtype=dtype)
        sae = open_sae(tmp_path, device="cpu", mapped=mapped)
        assert (sae.config.kind, sae.config.activation) == (
            "cross_layer_transcoder",
            "jumprelu" if threshold else "relu",
        )
        assert (hooks_text(sae.config.reads), hooks_text(sae.config.writes)) == ("resid_mid.0-2", "mlp_out.0-2")
        assert (sae.mapped, sae.config.dtype, sae.config.problems) == (mapped, str(dtype)[6:], ())
        x = torch.randn(L, 9, D)
        p = [x[at] @ own[f"W_enc_{at}"].T + own[f"b_enc_{at}"] for at in range(L)]
        kind = "jumprelu" if threshold else "relu"
        f = torch.stack([activate(p[at], kind, own.get(f"threshold_{at}")) for at in range(L)])
        x_hat = torch.stack(
            [own[f"b_dec_{w}"] + sum(f[at] @ own[f"W_dec_{at}"][:, w - at] for at in range(w + 1)) for w in range(L)]
        )
        torch.testing.assert_close(sae.encode(x), f, atol=1e-5, rtol=1e-5)
        assert torch.equal(sae.encode(x) != 0, f != 0)
        torch.testing.assert_close(sae(x), x_hat, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("chosen", ["config.yaml", "W_enc_1.safetensors", "W_dec_2.safetensors"])
    def test_any_of_its_files_stands_for_it(self, tmp_path: Path, chosen: str) -> None:
        self.make(tmp_path)
        assert read(tmp_path / chosen).kind == "cross_layer_transcoder"

    @pytest.mark.parametrize("lost", ["W_enc_1", "W_dec_1", "W_enc_2", "W_dec_2"])
    def test_a_missing_file_is_named(self, tmp_path: Path, lost: str) -> None:
        self.make(tmp_path)
        (tmp_path / f"{lost}.safetensors").unlink()
        with pytest.raises(UserError, match=r"of layer 1 is missing|encoders and . decoders"):
            read(tmp_path)

    def test_a_decoder_that_writes_beyond_the_last_layer_is_refused(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        save_file({"W_dec_1": torch.zeros(F, L, D)}, tmp_path / "W_dec_1.safetensors")
        with pytest.raises(UserError, match="writes to 3 layers, and there are 2"):
            read(tmp_path)

    def test_identify_names_it(self, tmp_path: Path) -> None:
        self.make(tmp_path)
        found = identify(tmp_path)
        assert (found.kind, found.format, found.problems) == ("sae", "circuit_tracer", ())


def test_the_published_layout_s_fixture_needs_no_more_than_its_files(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "releases/circuit_tracer_plt", tmp_path / "a")
    own = load_file(tmp_path / "a/layer_3.safetensors")
    sae = open_sae(tmp_path / "a", device="cpu")
    x = torch.randn(5, 16)
    torch.testing.assert_close(sae.encode(x), compute(own, x)[0], atol=1e-5, rtol=1e-5)
