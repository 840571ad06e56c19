"""`identify`: what a path holds, from names and headers, and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import struct
import time
from pathlib import Path

import pytest

from semascope.core.identify import fit_of, identify
from semascope.core.models.hookpoint import parse_hooks
from semascope.core.models.open import open_model
from semascope.core.saes.reading import Reading
from semascope.core.session.document import Session
from semascope.core.session.file import SessionFile

GOLDEN = Path(__file__).parents[1] / "golden"

EXPECTED: dict[str, tuple[str, str, str | None]] = {
    "apollo_e2e": ("apollo_e2e", "standard", "resid_pre.3"),
    "circuit_tracer/clt_relu": ("circuit_tracer", "cross_layer_transcoder", "resid_mid.0-2"),
    "circuit_tracer/plt_jumprelu": ("circuit_tracer", "jumprelu_transcoder_set", "mlp_in.0-2"),
    "crosscoder_jkminder/crosscoder_l1": ("crosscoder", "crosscoder", None),
    "dictionary_learning/batch_topk/resid_post_layer_3/trainer_0": ("dictionary_learning", "jumprelu", "resid_post.3"),
    "dictionary_learning/jumprelu/resid_post_layer_3/trainer_0": ("dictionary_learning", "jumprelu", "resid_post.3"),
    "dictionary_learning/standard/resid_post_layer_3/trainer_0": ("dictionary_learning", "standard", "resid_post.3"),
    "dictionary_learning/top_k/resid_post_layer_3/trainer_0": ("dictionary_learning", "topk", "resid_post.3"),
    "llama_scope_native_jumprelu/Llama3_1-8B-Base-L3R-8x": ("llama_scope", "jumprelu", "resid_post.3"),
    "llamascopium/sae_topk": ("llamascopium", "topk", "resid_post.3"),
    "openai_sparse_autoencoder/v5_topk": ("openai", "topk", None),
    "releases/circuit_tracer_plt": ("circuit_tracer", "transcoder", "mlp_in.3"),
    "releases/gemma_scope_2_1b_pt/attn_out_all/layer_3_width_16k_l0_small": ("gemma_scope_2", "jumprelu", "attn_z.3"),
    "releases/gemma_scope_2_1b_pt/resid_post/layer_3_width_16k_l0_small": ("gemma_scope_2", "jumprelu", "resid_post.3"),
    "releases/gemma_scope_2_1b_pt/transcoder_all/layer_3_width_16k_l0_small_affine": (
        "gemma_scope_2", "jumprelu_skip_transcoder", "mlp_in.3",
    ),
    "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30": ("gemma_scope_1", "jumprelu", "resid_post.3"),
    "releases/llama_scope/Llama3_1-8B-Base-L3R-8x": ("llama_scope", "jumprelu", "resid_post.3"),
    "releases/qwen_scope_SAE-Res-Qwen3-1.7B-Base-W32K-L0_8": ("qwen_scope", "topk", "resid_post.3"),
    "saev/schema5_relu": ("saev", "standard", None),
    "saev/v0.1_preschema": ("saev", "standard", None),
    "sparsify/topk/layers.3": ("sparsify", "topk", "resid_post.3"),
    "sparsify/transcoder/layers.3.mlp": ("sparsify", "topk_transcoder", "mlp_in.3"),
    **{
        f"sae_lens/{name}": ("saelens", architecture, "resid_post.3")
        for name, architecture in {
            "batchtopk_trained": "jumprelu", "gated": "gated", "jumprelu": "jumprelu",
            "matching_pursuit": "matching_pursuit", "matryoshka_batchtopk_trained": "jumprelu", "standard": "standard",
            "standard_bf16": "standard", "standard_constant_norm_rescale": "standard", "standard_layer_norm": "standard",
            "temporal": "temporal", "topk": "topk", "topk_rescale_by_decoder_norm": "topk", "topk_trained": "topk",
        }.items()
    },
    "sae_lens/standard_hook_z": ("saelens", "standard", "attn_z.3"),
    **{
        f"sae_lens/{name}": ("saelens", name, "mlp_in.3")
        for name in ("transcoder", "skip_transcoder", "jumprelu_transcoder")
    },
    **{
        f"sae_lens_legacy/v4.4.5/{name}": ("saelens", architecture, "resid_pre.3")
        for name, architecture in {
            "gated": "gated", "jumprelu": "jumprelu", "layer_norm_topk": "topk", "standard": "standard",
            "topk_via_activation_fn": "topk",
        }.items()
    },
}  # fmt: skip
"""Format, architecture and hook point of every fixture, by what its makers say of it; None where no file says it."""


def model_folder(folder: Path, **config: object) -> Path:
    """A model as far as headers go: settings, a tokenizer's name, one tensor."""
    folder.mkdir()
    settings = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8}
    (folder / "config.json").write_text(json.dumps({**settings, **config}))
    (folder / "tokenizer.json").write_text("{}")
    tensor = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    header = json.dumps(tensor).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    return folder


class TestModels:
    def test_the_demo_s_model(self, demo_model_path: Path) -> None:
        found = identify(demo_model_path)
        assert (found.kind, found.format, found.problems) == ("model", "transformers", ())
        assert found.details == {"architecture": "LlamaForCausalLM", "layers": 30, "d_model": 576, "multimodal": False}

    def test_a_model_with_eyes_keeps_its_numbers_one_level_down(self, tmp_path: Path) -> None:
        folder = model_folder(
            tmp_path / "m", num_hidden_layers=None, hidden_size=None, vision_config={"hidden_size": 99},
            text_config={"num_hidden_layers": 34, "hidden_size": 2560},
        )  # fmt: skip
        details = identify(folder).details
        assert (details["layers"], details["d_model"], details["multimodal"]) == (34, 2560, True)

    def test_gpt2_s_names(self, tmp_path: Path) -> None:
        folder = model_folder(tmp_path / "m", num_hidden_layers=None, hidden_size=None, n_layer=12, n_embd=768)
        assert (identify(folder).details["layers"], identify(folder).details["d_model"]) == (12, 768)

    @pytest.mark.parametrize(
        ("spoil", "sentence"),
        [
            (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
            (lambda f: (f / "model.safetensors").unlink(), "no weights"),
            (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "pickled"),
            (lambda f: (f / "model.safetensors").write_bytes(b"12"), "can't be read"),
            (lambda f: os.truncate(f / "model.safetensors", (f / "model.safetensors").stat().st_size - 1), "truncated"),
            (
                lambda f: (f / "model.safetensors.index.json").write_text(
                    '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'
                ),
                "1 of its 2 weights files are missing, for instance model-2.safetensors",
            ),
        ],
    )
    def test_what_is_missing_is_said(self, spoil: object, sentence: str, tmp_path: Path) -> None:
        folder = model_folder(tmp_path / "m")
        spoil(folder)  # type: ignore[operator]
        found = identify(folder)
        assert found.kind == "model"
        assert sentence in " ".join(found.problems)

    def test_one_file_of_a_model_points_to_the_folder(self, tmp_path: Path) -> None:
        found = identify(model_folder(tmp_path / "m") / "model.safetensors")
        assert found.kind == "unknown"
        assert str(tmp_path / "m") in found.problems[0]

    def test_gguf(self, tmp_path: Path) -> None:
        import gguf

        path = tmp_path / "tiny.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["a", "bc", "d"])
        writer.add_array("general.tags", [1, 2, 3])
        writer.add_float32("general.x", 0.5)
        writer.add_block_count(30)
        writer.add_embedding_length(576)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        found = identify(path)
        assert (found.kind, found.format) == ("model", "gguf")
        assert (found.details["architecture"], found.details["layers"], found.details["d_model"]) == ("llama", 30, 576)
        data = path.read_bytes()
        for end in range(4, len(data), 7):
            path.write_bytes(data[:end])
            assert identify(path).kind in ("model", "unknown")

    def test_a_gguf_of_lies(self, tmp_path: Path) -> None:
        path = tmp_path / "liar.gguf"
        path.write_bytes(b"GGUF" + struct.pack("<IQQQ", 3, 1, 1 << 60, 1 << 60))
        assert "makes no sense" in identify(path).problems[0]


class TestSAEs:
    def test_what_it_says(self) -> None:
        found = identify(GOLDEN / "sae_lens/jumprelu_transcoder").as_json()
        assert found["kind"] == "sae"
        assert {key: found[key] for key in ("architecture", "hook_point", "hook_out", "d_in", "d_out", "d_sae")} == {
            "architecture": "jumprelu_transcoder", "hook_point": "mlp_in.3", "hook_out": "mlp_out.3",
            "d_in": 16, "d_out": 12, "d_sae": 64,
        }  # fmt: skip
        assert found["why"] == found["recognised_by"] == "cfg.json and sae_weights.safetensors"
        json.dumps(found)

    @pytest.mark.parametrize(("name", "expected"), EXPECTED.items())
    def test_every_fixture(self, name: str, expected: tuple[str, str, str | None]) -> None:
        """Format, architecture and hook point, by the files and their path alone."""
        found = identify(GOLDEN / name).as_json()
        assert found["kind"] == "sae"
        assert (found["format"], found["architecture"], found["hook_point"]) == expected
        assert ("hook_point" in found["asks"]) == (expected[2] is None)
        assert bool(found["problems"]) == (expected[2] is None)
        assert found["d_sae"] == 64
        assert found["why"]
        json.dumps(found, allow_nan=False)

    def test_all_fixtures_are_among_them(self) -> None:
        assert {path.parent.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("golden_io.npz")} == set(EXPECTED)

    def test_what_was_understood(self) -> None:
        found = identify(GOLDEN / "circuit_tracer/plt_jumprelu").as_json()
        assert found["dictionary"] == "transcoder_set"
        assert found["hook_points"] == ["mlp_in.0", "mlp_in.1", "mlp_in.2"]
        assert found["hook_points_out"] == ["mlp_out.0", "mlp_out.1", "mlp_out.2"]
        assert (found["encoders"], found["d_sae"], found["features"]) == (3, 64, 192)
        assert (found["mask"], found["mask_first"]) == ("the first position", 1)
        assert found["threshold"] == "one for each feature"
        assert found["bos"] == "a BOS before each text"
        assert len(found["members"]) == 3
        assert found["memory"].keys() == {"float32", "bfloat16", "mapped"}

    def test_units_of_a_scaled_one(self) -> None:
        units = identify(GOLDEN / "sae_lens/standard_layer_norm").as_json()["units"]
        assert "divided by its own standard deviation" in units
        legacy = identify(GOLDEN / "apollo_e2e").as_json()
        assert legacy["processing"] == "folded"
        assert "centred" in legacy["units"]

    def test_a_folder_of_many_is_a_release(self) -> None:
        found = identify(GOLDEN / "sae_lens_legacy").as_json()
        assert found["kind"] == "unknown"
        assert len(found["within"]) == len(found["release"]) == 5
        assert {each["place"][0] for each in found["release"]} == {"v4.4.5"}
        assert all(each["hook_point"] == "resid_pre.3" and each["d_sae"] == 64 for each in found["release"])

    def test_files_of_one_folder_are_a_release_too(self, tmp_path: Path) -> None:
        folder = tmp_path / "resid_post_mlp" / "autoencoders"
        folder.mkdir(parents=True)
        for layer in (2, 10):
            shutil.copy(GOLDEN / "openai_sparse_autoencoder/v5_topk/6.pt", folder / f"{layer}.pt")
        found = identify(folder).as_json()
        assert (found["kind"], found["format"], found["d_sae"]) == ("sae", "openai", None)
        assert "2 SAEs" in found["problems"][0]
        assert [each["hook_point"] for each in found["release"]] == ["resid_post.2", "resid_post.10"]
        assert identify(folder / "10.pt").details["hook_point"] == "resid_post.10"

    def test_a_release_as_large_as_asked_for(self, tmp_path: Path) -> None:
        for layer in range(12):
            shutil.copytree(GOLDEN / "sae_lens/standard", tmp_path / f"layer_{layer}")
        assert len(identify(tmp_path).details["release"]) == 12
        assert len(identify(tmp_path, folders=5).details["release"]) == 4  # and the folder itself

    def test_a_gemma_scope_file_alone(self, tmp_path: Path) -> None:
        source = GOLDEN / "releases/gemma_scope_2b_pt_res/layer_3/width_16k/average_l0_30/params.npz"
        shutil.copy(source, tmp_path)
        found = identify(tmp_path / "params.npz").as_json()
        assert (found["hook_point"], found["asks"]) == (None, ["hook_point"])
        assert "for instance" in found["problems"][0]

    def test_a_large_one_is_instant(self, tmp_path: Path) -> None:
        shutil.copy(GOLDEN / "sae_lens/standard/cfg.json", tmp_path)
        features, d = 1 << 20, 2304
        shapes = {"W_enc": [d, features], "W_dec": [features, d], "b_enc": [features], "b_dec": [d]}
        at, header = 0, {}
        for name, shape in shapes.items():
            size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
            at += size
        data = json.dumps(header).encode()
        with (tmp_path / "sae_weights.safetensors").open("wb") as file:
            file.write(struct.pack("<Q", len(data)) + data)
            file.truncate(8 + len(data) + at)  # 19 GB of a hole
        began = time.monotonic()
        found = identify(tmp_path)
        assert found.details["d_sae"] == features
        assert time.monotonic() - began < 0.5


class TestFit:
    def test_by_settings_alone(self, tmp_path: Path) -> None:
        right = model_folder(tmp_path / "tiny", num_hidden_layers=4, hidden_size=16)
        narrow = model_folder(tmp_path / "narrow", num_hidden_layers=4, hidden_size=8)
        shallow = model_folder(tmp_path / "shallow", num_hidden_layers=3, hidden_size=16)
        one = identify(GOLDEN / "sae_lens/standard")
        assert fit_of(one, identify(right)) == {"model": str(right), "fits": True, "problems": [], "remarks": []}
        assert "width 16; narrow has 8 at resid_post.3" in fit_of(one, identify(narrow))["problems"][0]
        assert "layer 3; the layers of shallow are 0 to 2" in fit_of(one, identify(shallow))["problems"][0]

    def test_another_model_of_the_same_shape_is_remarked(self, tmp_path: Path) -> None:
        other = model_folder(tmp_path / "other", num_hidden_layers=4, hidden_size=16)
        found = fit_of(identify(GOLDEN / "sae_lens/standard"), identify(other))
        assert found["fits"]
        assert found["remarks"] == ["By its files it was made for tiny, and this is other."]

    def test_one_without_a_hook_point_fits_nothing_until_it_is_given(self, tmp_path: Path) -> None:
        model = identify(model_folder(tmp_path / "gpt2", num_hidden_layers=12, hidden_size=16))
        one = identify(GOLDEN / "openai_sparse_autoencoder/v5_topk")
        assert "hook point" in fit_of(one, model)["problems"][0]
        assert fit_of(one, model, Reading(hooks=parse_hooks("resid_post.6")))["fits"]

    def test_a_damaged_one_fits_nothing(self, tmp_path: Path) -> None:
        shutil.copytree(GOLDEN / "sae_lens/standard", tmp_path / "s")
        (tmp_path / "s" / "cfg.json").write_text("{")
        model = model_folder(tmp_path / "tiny", num_hidden_layers=4, hidden_size=16)
        found = fit_of(identify(tmp_path / "s"), identify(model))
        assert not found["fits"]
        assert found["problems"]


class TestOthers:
    def test_a_session(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.semascope"
        file = SessionFile.create(path, Session())
        file.close()
        assert identify(path).kind == "session"

    def test_another_database_is_no_session(self, tmp_path: Path) -> None:
        connection = sqlite3.connect(tmp_path / "a.semascope")
        connection.execute("CREATE TABLE t (a)")
        connection.close()
        assert identify(tmp_path / "a.semascope").kind == "unknown"

    def test_a_harvest(self, small_harvest_path: Path) -> None:
        found = identify(small_harvest_path)
        assert (found.kind, found.problems) == ("harvest", ())
        assert found.details["hook_point"] == "resid_post.15"
        assert found.details["features"] > 0

    def test_a_foreign_harvest_json(self, tmp_path: Path) -> None:
        (tmp_path / "harvest.json").write_text('{"crop": "wheat"}')
        assert "not that of a harvest" in identify(tmp_path).problems[0]

    @pytest.mark.parametrize(
        "make", [Path.mkdir, Path.touch, os.mkfifo, lambda path: path.write_bytes(os.urandom(999))]
    )
    def test_nothing_rubbish_and_pipes(self, make: object, tmp_path: Path) -> None:
        path = tmp_path / "x.bin"
        assert identify(path).problems[0].startswith("There is nothing at")
        make(path)  # type: ignore[operator]
        found = identify(path)
        assert found.kind == "unknown"
        assert found.problems

    def test_a_corpus_is_nothing_to_open_and_named(self, small_corpus_path: Path) -> None:
        assert identify(small_corpus_path).problems == ("small.jsonl is not a model, an SAE, a harvest or a session.",)


def test_a_model_that_identify_finds_whole_opens(demo_model_path: Path) -> None:
    found = identify(demo_model_path)
    model = open_model(demo_model_path, device="cpu")
    assert (found.details["layers"], found.details["d_model"]) == (model.n_layers, model.d_model)
