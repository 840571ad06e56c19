"""Opening models: a folder, a GGUF file, and everything that is neither."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import transformers as tf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.open import open_model
from semascope.core.models.text import _byte_alphabet
from tests.core.models.families import FAMILIES, SEEING, VISION_MODELS, build, language_model, tokenizer

WIDTH, LAYERS, HEADS, HIDDEN = 32, 2, 4, 48


def _words() -> list[str]:
    return ["<|bos|>", "<|eos|>", *_byte_alphabet(), "ab"]


@pytest.fixture(scope="module")
def tiny() -> tf.LlamaForCausalLM:
    torch.manual_seed(0)
    config = tf.LlamaConfig(
        vocab_size=len(_words()),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        intermediate_size=HIDDEN,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=1,
        tie_word_embeddings=False,
    )
    return tf.LlamaForCausalLM(config).eval()


@pytest.fixture
def folder(tiny: tf.LlamaForCausalLM, tmp_path: Path) -> Path:
    """A whole small model as transformers saves it."""
    backend = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(_words())}, merges=[("a", "b")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    place = tmp_path / "tiny-llama"
    tiny.save_pretrained(place)
    tf.PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eos|>").save_pretrained(
        place
    )
    return place


def _write_gguf(model: tf.LlamaForCausalLM, file: Path) -> None:
    """The same model as llama.cpp would store it: rotary halves interleaved, byte-level vocabulary."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(_words()))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(_words())
    writer.add_token_types([3, 3] + [1] * 257)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    names = {"embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm"}
    parts = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
    parts |= {"gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down"}
    parts |= {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, tensor in model.state_dict().items():
        data = tensor.numpy()
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            data = data.reshape(HEADS, 2, -1, WIDTH).swapaxes(1, 2).reshape(WIDTH, WIDTH)
        pieces = name.split(".")
        if pieces[1] == "layers":
            stored = f"blk.{pieces[2]}.{next(parts[piece] for piece in pieces if piece in parts)}.weight"
        else:
            stored = next(value for key, value in names.items() if key in name) + ".weight"
        writer.add_tensor(stored, np.ascontiguousarray(data, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_folder_opens_with_the_models_own_numbers(folder: Path, tiny: tf.LlamaForCausalLM) -> None:
    model = open_model(folder, device="cpu", dtype="fp32")
    ids = torch.tensor([[5, 60, 200, 7]])
    with torch.no_grad():
        assert torch.equal(model.logits(ids), tiny(ids).logits)
    assert (model.n_layers, model.d_model, model.vocabulary, model.name) == (LAYERS, WIDTH, len(_words()), "tiny-llama")
    assert model.codec.bos_id == 0
    assert "".join(model.codec.encode("Grüße, 日本").strings) == "Grüße, 日本"


def test_a_gguf_file_is_the_same_model(
    folder: Path, tiny: tf.LlamaForCausalLM, capfd: pytest.CaptureFixture[str]
) -> None:
    file = folder.parent / "tiny.gguf"
    _write_gguf(tiny, file)
    model = open_model(file, device="cpu", dtype="fp32")
    text = "Grüße"
    ids = torch.tensor([model.codec.encode(text).ids])
    with torch.no_grad():
        assert torch.allclose(model.logits(ids), tiny(ids).logits, atol=1e-5)
    assert model.codec.encode(text).ids == open_model(folder, device="cpu").codec.encode(text).ids
    assert capfd.readouterr() == ("", "")


def test_the_fingerprint_is_of_the_weights(folder: Path, tmp_path: Path) -> None:
    first = open_model(folder, device="cpu").fingerprint
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "model")
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps(config | {"transformers_version": "5.99"}))
    assert open_model(moved, device="cpu").fingerprint == first
    weights = bytearray((moved / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "model.safetensors").write_bytes(weights)
    assert open_model(moved, device="cpu").fingerprint != first


def _without(folder: Path, *names: str) -> None:
    for name in names:
        for file in folder.glob(name):
            file.unlink()


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _drop_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _ask_for_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: _without(folder, "*"), "no config.json"),
        (lambda folder: _without(folder, "tokenizer*"), "no tokenizer"),
        (lambda folder: _without(folder, "*.safetensors"), "no safetensors weights"),
        (lambda folder: _truncate(folder / "model.safetensors"), "could not be opened"),
        (lambda folder: _truncate(folder / "config.json"), "could not be opened"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "could not be opened"),
        (_drop_a_tensor, "incomplete: model.layers.1.mlp.up_proj.weight"),
        (_ask_for_code, "could not be opened"),
    ],
)
def test_a_broken_folder_ends_in_a_sentence(folder: Path, spoil: object, sentence: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=sentence):
        open_model(folder, device="cpu")
    assert not (folder / "ran").exists()


def test_what_is_no_model_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing at"):
        open_model(tmp_path / "missing")
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(UserError, match="not a model"):
        open_model(tmp_path / "note.txt")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\xff" * 64)
    with pytest.raises(UserError, match="could not be opened"):
        open_model(tmp_path / "bad.gguf")


@pytest.mark.parametrize(("device", "dtype"), [("cuda:9", None), ("toaster", None), ("cpu", "int3")])
def test_a_device_or_format_that_is_not_there_is_named(folder: Path, device: str, dtype: str | None) -> None:
    with pytest.raises(UserError, match=f"“{dtype or device}”"):
        open_model(folder, device=device, dtype=dtype)


def _saved(module: tf.PreTrainedModel, place: Path) -> Path:
    module.save_pretrained(place)
    tokenizer().save_pretrained(place)
    return place


def _change(file: Path, **settings: object) -> None:
    file.write_text(json.dumps((json.loads(file.read_text()) if file.exists() else {}) | settings))


IDS = torch.tensor([[5, 60, 200, 7]])


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_family_opens_from_its_folder(family: str, tmp_path: Path) -> None:
    module = build(family)
    place = _saved(module, tmp_path / family)
    name = type(module).__name__
    seeing = family in SEEING
    found = identify(place)
    assert (found.kind, found.format, found.problems) == ("model", "transformers", ())
    assert found.details == {"architecture": name, "layers": 2, "d_model": 32, "multimodal": seeing}
    if seeing:  # as the makers' folders have them; none of it is needed for text
        _change(place / "preprocessor_config.json", image_processor_type="NoSuchImageProcessor")
        _change(place / "processor_config.json", processor_class="NoSuchProcessor")
    model = open_model(place, device="cpu", dtype="fp32")
    assert (model.architecture, model.n_layers, model.d_model, model.context) == (name, 2, 32, 96)
    assert (model.vocabulary, model.codec.bos_id, 1 in model.codec.eos_ids) == (320, 0, True)
    with torch.no_grad():
        assert torch.equal(model.logits(IDS), module(IDS).logits)


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "qwen2_vl", "llava", "idefics3", "qwen3_5_seeing"])
def test_a_head_that_is_the_embedding_is_stored_once_and_found(family: str, tmp_path: Path) -> None:
    config = build(family).config
    for part in (config, config.get_text_config()):
        part.tie_word_embeddings = True
    torch.manual_seed(0)
    module = type(build(family))(config).eval()
    place = _saved(module, tmp_path / family)
    model = open_model(place, device="cpu", dtype="fp32")
    assert model.tree.head.weight is model.tree.embedding.weight
    with torch.no_grad():
        assert torch.equal(model.logits(IDS), module(IDS).logits)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3_seeing"])
@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "_attn_implementation_internal"])
def test_a_folder_does_not_choose_how_attention_is_computed(family: str, key: str, tmp_path: Path) -> None:
    """Some choices are the names of repositories whose code would be fetched and run."""
    module = build(family)
    place = _saved(module, tmp_path / family)
    settings = json.loads((place / "config.json").read_text())
    settings[key] = "someone/kernel"
    if "text_config" in settings:
        settings["text_config"][key] = "someone/kernel"
    _change(place / "config.json", **settings)
    model = open_model(place, device="cpu", dtype="fp32")
    assert model.module.config.get_text_config()._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "qwen3", "gemma3", "qwen3_5_seeing"])
def test_hooks_fire_however_attention_is_computed(family: str) -> None:
    model = language_model(family)
    hooks = [HookPoint(site, 1) for site in ("attn_z", "attn_out", "mlp_act", "resid_post")]
    model.module.set_attn_implementation("sdpa")
    fast = model.run_to(hooks, IDS)
    model.module.set_attn_implementation("eager")
    torch.testing.assert_close(model.run_to(hooks, IDS), fast, atol=1e-3, rtol=1e-3)


def test_settings_that_leave_out_what_their_class_takes_for_granted(tmp_path: Path) -> None:
    """LLaVA 1.5's text settings name no width and no layers: they are Llama's defaults."""
    place = _saved(build("llava"), tmp_path / "llava")
    settings = json.loads((place / "config.json").read_text())
    for name in ("hidden_size", "num_hidden_layers"):
        del settings["text_config"][name]
    _change(place / "config.json", **settings)
    assert (identify(place).details["layers"], identify(place).details["d_model"]) == (2, 32)


@pytest.mark.parametrize("name", list(VISION_MODELS))
def test_a_model_that_only_sees_is_refused_in_words(name: str, tmp_path: Path) -> None:
    place = _saved(build(name), tmp_path / name)
    with pytest.raises(UserError, match=f"{name} is not a language model: it is of the type"):
        open_model(place, device="cpu")
