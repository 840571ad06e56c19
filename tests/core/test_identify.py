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

from semascope.core.identify import identify
from semascope.core.models.open import open_model
from semascope.core.session.document import Session
from semascope.core.session.file import SessionFile

GOLDEN = Path(__file__).parents[1] / "golden"


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
        assert found["recognised_by"] == "cfg.json and sae_weights.safetensors"
        json.dumps(found)

    def test_a_release_that_is_not_read_yet(self) -> None:
        found = identify(GOLDEN / "openai_sparse_autoencoder/v5_topk/6.pt")
        assert (found.kind, found.format, found.details["d_sae"]) == ("sae", "openai", None)
        assert "not read yet" in found.problems[0]

    def test_a_folder_of_many_lists_them(self) -> None:
        found = identify(GOLDEN / "sae_lens_legacy")
        assert found.kind == "unknown"
        assert len(found.details["within"]) == 5

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
