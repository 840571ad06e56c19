"""What every test relies on: an offscreen window system, no network, a profile of its own, and the real demo model.

The environment is set when this file is imported, before any test module can import Qt or transformers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import semascope  # noqa: F401 - first, so that what it asks of libraries holds before they are imported

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

_BASEDIR = Path(tempfile.mkdtemp(prefix="semascope-tests-"))
os.environ["SEMASCOPE_BASEDIR"] = str(_BASEDIR)
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_SCALE_FACTOR", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait starve a busy machine
os.environ["PYTHONFAULTHANDLER"] = "1"

FEATURES = 512
DENSITY = 0.02  # of each feature of the small SAE, on the text it is made from
HOOK = "resid_post.15"


def pytest_unconfigure() -> None:
    shutil.rmtree(_BASEDIR, ignore_errors=True)


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    """The application in one style and one font, so that pictures and sizes are the same on every machine."""
    from PySide6.QtGui import QFont, QFontDatabase

    qapp.setStyle("Fusion")
    family = next((name for name in ("Inter", "DejaVu Sans") if name in QFontDatabase.families()), None)
    if family is not None:
        font = QFont(family)
        font.setPixelSize(13)
        qapp.setFont(font)
    return qapp


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """A test that leaves a thread running has forgotten to close something."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3
    while left := [t for t in threading.enumerate() if t not in before and not t.daemon]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left running: {[thread.name for thread in left]}")
        left[0].join(0.1)


@pytest.fixture(scope="session")
def demo_model_path() -> Path:
    """The demo's SmolLM2-135M-Instruct, as a transformers folder."""
    from semascope import paths

    place = paths.demo_model()
    if place is None:
        pytest.fail("The demo's model is not here: run packaging/fetch_demo_model.py once.")
    return place


@pytest.fixture(scope="session")
def small_corpus_path() -> Path:
    """Forty short documents, real prose, code and several languages: about three thousand tokens."""
    return Path(__file__).parent / "data" / "small.jsonl"


@pytest.fixture(scope="session")
def small_sae_path(demo_model_path: Path, small_corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JumpReLU SAE of 512 features at `resid_post.15`, as a SAELens folder: see `_make_sae`."""
    folder = tmp_path_factory.mktemp("sae") / "small"
    _make_sae(folder, demo_model_path, small_corpus_path, HOOK, FEATURES)
    return folder


@pytest.fixture(scope="session")
def early_sae_path(demo_model_path: Path, small_corpus_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another, of 256 features at `resid_post.7`."""
    folder = tmp_path_factory.mktemp("sae") / "early"
    _make_sae(folder, demo_model_path, small_corpus_path, "resid_post.7", FEATURES // 2)
    return folder


def _make_sae(folder: Path, model_path: Path, corpus: Path, place: str, features: int) -> None:
    """Make an SAE from real activations.

    Each decoder row points from the mean residual to that of one token of the small corpus, the encoder is its transpose,
    and each threshold lets through 2 % of the tokens: enough for features that mean something, with no training.
    """
    import torch

    from semascope.core.corpus.contexts import cut_contexts
    from semascope.core.corpus.readers import read_documents
    from semascope.core.models.hookpoint import HookPoint
    from semascope.core.models.open import open_model
    from semascope.core.saes.save import write_saelens

    model = open_model(model_path, device="cpu", dtype="fp32")
    hook = HookPoint.parse(place)
    contexts = cut_contexts(read_documents([corpus]), model.codec, 128, prepend_bos=False)
    # The first token of a context is an attention sink, twenty times longer than the others: left out.
    tokens = [model.run_to(hook, torch.from_numpy(c.ids).long()[None])[0, 1:].float() for c in contexts]
    x = torch.cat(tokens)
    mean = x.mean(0)
    chosen = torch.linspace(0, len(x) - 1, features).long()
    decoder = torch.nn.functional.normalize(x[chosen] - mean, dim=1)
    before = (x - mean) @ decoder.T
    write_saelens(
        folder,
        {
            "W_enc": decoder.T,
            "b_enc": torch.zeros(features),
            "W_dec": decoder,
            "b_dec": mean,
            "threshold": before.quantile(1 - DENSITY, dim=0).clamp(min=0),
        },
        architecture="jumprelu",
        hook_point=hook,
        model_name=model.name,
        metadata={"prepend_bos": False, "context_size": 128},
    )


@pytest.fixture(scope="session")
def small_harvest_path(
    demo_model_path: Path,
    small_sae_path: Path,
    small_corpus_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A real harvest of the small corpus with the small SAE."""
    folder = tmp_path_factory.mktemp("harvest") / "small"
    _make_harvest(folder, demo_model_path, small_sae_path, small_corpus_path)
    return folder


@pytest.fixture(scope="session")
def early_harvest_path(
    demo_model_path: Path,
    early_sae_path: Path,
    small_corpus_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A real harvest of the small corpus with the early SAE."""
    folder = tmp_path_factory.mktemp("harvest") / "early"
    _make_harvest(folder, demo_model_path, early_sae_path, small_corpus_path)
    return folder


def _make_harvest(folder: Path, model_path: Path, sae_path: Path, corpus: Path) -> None:
    from semascope.core.harvest.run import harvest
    from semascope.core.models.open import open_model
    from semascope.core.progress import drive
    from semascope.core.saes import open_sae

    model = open_model(model_path, device="cpu")
    drive(harvest(model, open_sae(sae_path, device="cpu"), [corpus], folder))
