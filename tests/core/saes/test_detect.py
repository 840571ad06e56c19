"""The detector: every fixture to its family, releases that are not read by name, folders that hold many."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes.formats.detect import FAMILIES, describe, detect
from tests.core.saes.golden import GOLDEN, folders

FAMILY = {
    "apollo_e2e": "apollo_e2e",
    "circuit_tracer": "circuit_tracer",
    "crosscoder_jkminder/crosscoder_l1": "crosscoder",
    "dictionary_learning": "dictionary_learning",
    "llama_scope_native_jumprelu": "llama_scope",
    "llamascopium": "llamascopium",
    "openai_sparse_autoencoder": "openai",
    "releases/circuit_tracer_plt": "circuit_tracer",
    "releases/gemma_scope_2_1b_pt": "gemma_scope_2",
    "releases/gemma_scope_2b_pt_res": "gemma_scope_1",
    "releases/llama_scope": "llama_scope",
    "releases/qwen_scope": "qwen_scope",
    "sae_lens": "saelens",
    "saev": "saev",
    "sparsify": "sparsify",
}


@pytest.mark.parametrize("name", folders())
def test_every_fixture_has_its_family(name: str) -> None:
    prefix = max((prefix for prefix in FAMILY if name.startswith(prefix)), key=len)
    detected = detect(GOLDEN / name)
    assert detected is not None
    assert detected.family.name == FAMILY[prefix]
    assert detected.why


@pytest.mark.parametrize("name", folders())
def test_every_fixture_is_described(name: str) -> None:
    detected = detect(GOLDEN / name)
    assert detected is not None
    assert detected.describe().config.format == detected.family.name


def test_names_are_unique() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize(
    "file",
    ["sae_lens/topk/cfg.json", "sae_lens/topk/sae_weights.safetensors", "sparsify/topk/layers.3/sae.safetensors"],
)
def test_one_file_stands_for_its_folder(file: str) -> None:
    assert describe(GOLDEN / file).config.d_sae == 64


def test_a_file_beside_an_sae_is_not_taken_for_it() -> None:
    with pytest.raises(UserError, match="not an SAE"):
        describe(GOLDEN / "sae_lens/topk/golden_note.txt")


def test_a_release_of_many_says_so() -> None:
    with pytest.raises(UserError, match="holds 5 SAEs") as refused:
        describe(GOLDEN / "sae_lens_legacy")
    assert "v4.4.5" in refused.value.hint


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "sae_lens/topk/cfg.json", tmp_path)
    with pytest.raises(UserError) as refused:
        describe(tmp_path)
    assert "no weights" in refused.value.hint
    assert "no weights" in identify(tmp_path).problems[0]
    shutil.copy(GOLDEN / "sae_lens/topk/sae_weights.safetensors", tmp_path)
    (tmp_path / "cfg.json").unlink()
    with pytest.raises(UserError) as refused:
        describe(tmp_path)
    assert "no cfg.json" in refused.value.hint


def test_nothing_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing at"):
        describe(tmp_path / "absent")
    with pytest.raises(UserError, match="empty folder"):
        describe(tmp_path)


def test_detection_needs_no_torch() -> None:
    script = f"""
import sys
from pathlib import Path
from semascope.core.identify import identify
for path in Path({str(GOLDEN)!r}).rglob("golden_io.npz"):
    assert identify(path.parent).kind == "sae", path
assert not {{"torch", "transformers", "PySide6"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
