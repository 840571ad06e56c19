"""The real model, the small SAE, and a way to run a harvest to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semascope.core.harvest.arrays import map_arrays
from semascope.core.harvest.run import HarvestSummary, harvest
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.progress import drive
from semascope.core.saes import open_sae
from semascope.core.saes.sae import SAE

Run = Callable[..., HarvestSummary]


@pytest.fixture(scope="session")
def models(demo_model_path: Path) -> dict[str, LanguageModel]:
    """The demo's model, by dtype."""
    return {dtype: open_model(demo_model_path, device="cpu", dtype=dtype) for dtype in ("fp32", "bf16")}


@pytest.fixture(scope="session")
def sae(small_sae_path: Path) -> SAE:
    return open_sae(small_sae_path, device="cpu")


@pytest.fixture
def run(models: dict[str, LanguageModel], sae: SAE, small_corpus_path: Path) -> Run:
    """Harvest the small corpus (or `corpus`) into a folder, to the end."""

    def to_end(out: Path, *, dtype: str = "bf16", corpus: Path | None = None, **options: Any) -> HarvestSummary:
        return drive(harvest(models[dtype], sae, [corpus or small_corpus_path], out, **options))

    return to_end


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a harvest, by file and name."""
    return {
        f"{file.name}/{name}": array
        for file in sorted(folder.glob("*.safetensors"))
        for name, array in map_arrays(file).items()
    }


def assert_identical(one: Path, other: Path) -> None:
    """All arrays of two harvests are equal bit for bit."""
    left, right = arrays_of(one), arrays_of(other)
    assert left.keys() == right.keys()
    different = [name for name in left if left[name].tobytes() != right[name].tobytes()]
    assert not different
    assert (one / "strings.sqlite").read_bytes() == (other / "strings.sqlite").read_bytes()
