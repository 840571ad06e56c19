"""What each family's files say, and what they leave unsaid: generations, paths, old keys, links of a hub's cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from semascope.core.errors import UserError
from semascope.core.saes import open_sae
from semascope.core.saes.formats.detect import describe
from tests.core.saes.changes import changed, read
from tests.core.saes.golden import GOLDEN, load

SPARSIFY = GOLDEN / "sparsify/topk/layers.3"
GEMMA_1 = GOLDEN / "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30"
GEMMA_2 = GOLDEN / "releases/gemma_scope_2_1b_pt/transcoder_all/layer_3_width_16k_l0_small_affine"


class TestGemmaScope1:
    @pytest.mark.parametrize(
        ("path", "hook", "out", "model"),
        [
            ("gemma-scope-2b-pt-res/layer_12/width_16k/average_l0_82", "resid_post.12", "resid_post.12", "gemma-2-2b"),
            ("gemma-scope-9b-it-res/layer_31/width_16k/average_l0_76", "resid_post.31", "resid_post.31", "gemma-2-9b-it"),
            ("gemma-scope-2b-pt-att/layer_0/width_16k/average_l0_8", "attn_z.0", "attn_z.0", "gemma-2-2b"),
            ("gemma-scope-2b-pt-mlp/layer_5/width_65k/average_l0_40", "mlp_out.5", "mlp_out.5", "gemma-2-2b"),
            ("gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6", "resid_pre.0", "resid_pre.0", "gemma-2-2b"),
            ("gemma-scope-2b-pt-transcoders/layer_4/width_16k/average_l0_88", "mlp_norm.4", "mlp_out.4", "gemma-2-2b"),
            ("gemma-scope-transcoders/layer_4/width_16k/average_l0_88", "mlp_norm.4", "mlp_out.4", "gemma-2-2b"),
            ("models--google--gemma-scope-2b-pt-res/snapshots/0af3/layer_2/width_16k/average_l0_9",
             "resid_post.2", "resid_post.2", "gemma-2-2b"),
        ],
    )  # fmt: skip
    def test_the_path_says_what_the_file_does_not(
        self, path: str, hook: str, out: str, model: str, tmp_path: Path
    ) -> None:
        shutil.copytree(GEMMA_1, tmp_path / path)
        config = read(tmp_path / path / "params.npz")
        assert (str(config.hook_point), str(config.hook_out)) == (hook, out)
        assert config.model_name == f"google/{model}"
        assert not config.problems
        assert config.l0 == int(path.rsplit("_", 1)[1])

    def test_a_file_alone_has_no_layer_and_says_so(self, tmp_path: Path) -> None:
        shutil.copy(GEMMA_1 / "params.npz", tmp_path)
        config = read(tmp_path)
        assert (config.hook_point, config.model_name) == (None, "")
        assert "does not say which layer and hook point" in config.problems[0]
        assert "for instance resid_post.12" in config.problems[0]
        assert open_sae(tmp_path, device="cpu").encode(torch.zeros(1, 16)).shape == (1, 64)

    @pytest.mark.parametrize(
        ("path", "missing", "example"),
        [
            ("layer_12/width_16k/average_l0_82", "hook point", "resid_post.12"),
            ("gemma-scope-2b-pt-res/width_16k", "layer", "resid_post.12"),
            ("gemma-scope-2b-pt-transcoders/width_16k", "layer", "mlp_norm.12"),
            ("elsewhere", "layer and hook point", "resid_post.12"),
        ],
    )
    def test_what_the_path_leaves_open_is_asked_for(
        self, path: str, missing: str, example: str, tmp_path: Path
    ) -> None:
        shutil.copytree(GEMMA_1, tmp_path / path)
        config = read(tmp_path / path)
        assert config.reads == ()
        assert f"does not say which {missing} it was made for" in config.problems[0]
        assert f"give its hook point, for instance {example}." in config.problems[0]

    def test_a_familiar_width_is_told(self, tmp_path: Path) -> None:
        shapes = {"W_enc": (2304, 2), "W_dec": (2, 2304), "b_enc": (2,), "b_dec": (2304,), "threshold": (2,)}
        np.savez(tmp_path / "params.npz", **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        problem = read(tmp_path).problems[0]
        assert "for instance resid_post.12. Its width is that of Gemma 2 2B's residual stream." in problem

    def test_embeddings_are_read_where_gemma_has_scaled_them(self, tmp_path: Path) -> None:
        folder = tmp_path / "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6"
        shutil.copytree(GEMMA_1, folder)
        golden = load(GEMMA_1.relative_to(GOLDEN).as_posix())
        sae = open_sae(folder, device="cpu")
        torch.testing.assert_close(sae.encode(golden.x * 4), golden.f, atol=1e-5, rtol=1e-5)


class TestGemmaScope2:
    def test_without_its_config_the_folder_says_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "gemma-scope-2-1b-pt/transcoder_all/layer_3_width_16k_l0_small_affine"
        shutil.copytree(GEMMA_2, folder)
        whole = read(folder)
        (folder / "config.json").unlink()
        bare = read(folder)
        assert (bare.hook_point, bare.hook_out) == (whole.hook_point, whole.hook_out)
        assert (bare.architecture, bare.model_name) == ("jumprelu_skip_transcoder", "google/gemma-3-1b-pt")

    def test_the_affine_skip_is_not_transposed(self) -> None:
        sae, golden = open_sae(GEMMA_2, device="cpu"), load(GEMMA_2.relative_to(GOLDEN).as_posix())
        skip = load_file(GEMMA_2 / "params.safetensors")["affine_skip_connection"]
        assert golden.forward is not None
        torch.testing.assert_close(golden.x_hat + golden.x @ skip, golden.forward, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(sae(golden.x), golden.forward, atol=1e-5, rtol=1e-5)

    def test_what_reads_one_place_and_gives_another_is_a_transcoder(self, tmp_path: Path) -> None:
        found = read(changed(GEMMA_2, tmp_path / "a", type="sae"))
        assert (found.kind, found.architecture, found.problems) == ("transcoder", "jumprelu_skip_transcoder", ())

    def test_another_architecture_is_said(self, tmp_path: Path) -> None:
        (problem,) = read(changed(GEMMA_2, tmp_path / "a", architecture="topk")).problems
        assert "architecture “topk”" in problem

    @pytest.mark.parametrize("kind", ["clt", "crosscoder"])
    def test_several_layers_are_not_read_yet(self, kind: str, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=kind):
            describe(changed(GEMMA_2, tmp_path / "a", type=kind))


def test_a_hub_s_cache_of_links_opens(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "models--a--b/blobs", tmp_path / "models--a--b/snapshots/0af3/layers.3"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("cfg.json", "sae.safetensors")):
        shutil.copy(SPARSIFY / name, blobs / str(number))
        (snapshot / name).symlink_to(Path("../../../blobs") / str(number))
    assert read(snapshot).format == "sparsify"


def test_double_precision_is_read_and_rounded(tmp_path: Path) -> None:
    with np.load(GEMMA_1 / "params.npz") as arrays:
        np.savez(tmp_path / "params.npz", **{name: arrays[name].astype(np.float64) for name in arrays.files})
    sae = open_sae(tmp_path, device="cpu")
    assert (sae.config.dtype, sae.W_dec.dtype) == ("float64", torch.float32)
