"""Pictures of how an SAE presents itself: card, bar, page, release, sheets; light and dark, large and small, in `build/screens`.

What they show is made up, so that every state can be shown without hours of computing. They are made to be looked at; what
is checked is that nothing that says something is cut off.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from safetensors.torch import save_file

from semascope.core.models.hookpoint import parse_hooks
from semascope.core.saes.checked import Alternative, Check
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.reading import Reading
from semascope.core.session import switching
from semascope.core.session.document import Reference
from semascope.jobs.bridge import Bridge
from semascope.jobs.infos import ModelInfo, SAEInfo
from semascope.state.checking import CheckState
from semascope.state.looking import Candidate, Survey
from semascope.state.recent import RecentList
from semascope.state.settings import SettingsStore
from semascope.state.workspace import Workspace
from semascope.ui.preview import NoEngine
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.shell.top_bar import TopBar
from semascope.ui.theme import themes
from tests.core.saes.golden import GOLDEN
from tests.ui.test_screens import SCREENS, cut_off, picture

MODEL = ModelInfo(Path("/models/gpt2"), "gpt2", "GPT2", "sha256:0", 12, 768, 50257, 1024, "cpu", "float32", False)
INFO = SAEInfo(
    Path("/saes/gpt2-small-res-jb/blocks.8.hook_resid_pre"),
    "blocks.8.hook_resid_pre",
    "sha256:" + "ab" * 32,
    "saelens",
    "standard",
    "resid_pre.8",
    "resid_pre.8",
    768,
    768,
    24576,
    problems=("It was trained on normalised activations, and the factor is not part of its weights.",),
    notes=("Activations are centred first: this release was trained on TransformerLens' processed activations.",),
    activation="relu",
    reads=("resid_pre.8",),
    writes=("resid_pre.8",),
    l0=49.0,
    model_name="gpt2-small",
    prepend_bos=True,
    bytes=151_000_000,
)
OTHER = replace(INFO, name="layer_12", fingerprint="sha256:1", hook_point="resid_post.12", d_sae=16384, features=16384)
GOOD = Check(
    4096, 40, 0.873, 54.2, 49.0, 0.031, 112.0, "plausible", ("It explains 0.87 of the variance of what it reads.",),
    corpus="sample.jsonl", model="gpt2",
)  # fmt: skip
CENTRED = Reading(processing="centred")
BAD = replace(
    GOOD,
    explained=0.31,
    l0=410.0,
    dead_share=0.42,
    verdict="implausible",
    sentences=(
        "Explained variance 0.31 as its files say; 0.97 with activations mean-centred.",
        "410.0 features fire on a token, 8.37 times the stated 49.",
    ),
    alternatives=(
        Alternative(CENTRED, 0.97, 54.2, "with activations mean-centred"),
        Alternative(Reading(parse_hooks("resid_pre.9"), (), "centred"), 0.71, 80.1, "at resid_pre.9, mean-centred"),
        Alternative(Reading(normalize="layer_norm"), float("nan"), 0.4, "with each token normalised to mean 0"),
    ),
    recommended=CENTRED,
)
SIZES = ((1480, 920), (1024, 700))


@pytest.fixture(params=["light", "dark"])
def window(
    qtbot: QtBot, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MainWindow]:
    """A window without an engine, with a model and two SAEs as if they were open."""
    monkeypatch.setenv("SEMASCOPE_BASEDIR", str(tmp_path / "profile"))
    SCREENS.mkdir(parents=True, exist_ok=True)
    themes().set(request.param)
    workspace = Workspace(Bridge(NoEngine()))
    workspace.save = lambda: None  # type: ignore[method-assign]
    window = MainWindow(workspace, SettingsStore(), RecentList())
    workspace.checking.automatic = False
    window.resize(*SIZES[0])
    window.show()
    qtbot.waitExposed(window)
    workspace.model_info = MODEL
    for info in (INFO, OTHER):
        workspace.open_now.put_sae(info)
        reference = Reference(str(info.path), info.fingerprint, info.name, "sae")
        workspace.do(switching.open_dictionary(reference, switch=info is INFO))
    workspace.engine_changed.emit()
    QTest.qWait(100)
    yield window
    with qtbot.waitSignal(window.closed, timeout=20_000):
        window.close()
    themes().set("light")
    window.deleteLater()


def shoot(window: MainWindow, name: str) -> None:
    QTest.qWait(150)
    picture(window, f"sae-{name}-{themes().mode}")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("good", CheckState("done", GOOD)),
        ("bad", CheckState("done", BAD)),
        ("doubtful", CheckState("done", replace(GOOD, verdict="doubtful", explained=0.44, l0_stated=None))),
        ("running", CheckState("running", fraction=0.4)),
        ("failed", CheckState("failed", why="There is no text to check it on: choose some.")),
        ("unchecked", CheckState()),
    ],
)
def test_the_page_of_an_sae(window: MainWindow, name: str, state: CheckState, size: tuple[int, int]) -> None:
    window.resize(*size)
    window.workspace.checking._put(INFO.fingerprint, state)
    QTest.qWait(50)
    assert cut_off(window) == []
    bar = window.findChild(TopBar)
    bar.explain_sae()
    shoot(window, f"page-{name}-{size[0]}")
    assert cut_off(bar._details) == []
    assert bar.sae.accessibleDescription()
    bar._details.close()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_release(window: MainWindow, qtbot: QtBot, size: tuple[int, int], tmp_path: Path) -> None:
    window.resize(*size)
    release = tmp_path / "a-release-with-a-long-name-2b-pt-res"
    shutil.copytree(GOLDEN / "releases", release)
    window.sae_acts.choose_from(release)
    sheet: Any = window.acts.dialog
    qtbot.waitUntil(lambda: "Choose" in sheet.verdict.text(), timeout=20_000)
    sheet.tree.topLevelItem(0).child(0).child(0).setSelected(True)
    shoot(window, f"release-{size[0]}")
    assert cut_off(sheet) == []
    sheet.filter.setText("nothing like it")
    QTest.qWait(250)
    shoot(window, f"release-filtered-{size[0]}")
    sheet.reject()


def survey(**changes: Any) -> Survey:
    config = SAEConfig(
        format="gemma_scope_1", architecture="jumprelu", activation="jumprelu", d_in=2304, d_out=2304, d_sae=16384,
    )  # fmt: skip
    memory = {"float32": 302_000_000, "bfloat16": 151_000_000}
    found = Survey(Path("/saes/params.npz"), "Gemma Scope 1", "params.npz with its five arrays", config, memory=memory)
    return replace(found, free=11_000_000_000, questions=("hook",), **changes)


def test_where_it_reads_is_asked(window: MainWindow) -> None:
    window.sae_acts.ask_about(survey())
    sheet: Any = window.acts.dialog
    shoot(window, "sheet-hook")
    assert cut_off(sheet) == []
    sheet.reject()


def test_which_model_and_how_much_memory_is_asked(window: MainWindow) -> None:
    hooks = parse_hooks("resid_post.20")
    config = replace(survey().config, reads=hooks, writes=hooks, model_name="google/gemma-2-2b")
    candidates = (Candidate(Path("/models/gemma-2-2b"), "gemma-2-2b", ()),)
    large = {"float32": 9_200_000_000, "bfloat16": 4_600_000_000, "mapped": 300_000}
    found = survey(config=config, candidates=candidates, misfits=("This SAE belongs to layer 20.",))
    window.sae_acts.ask_about(replace(found, memory=large, questions=("fit", "memory")))
    sheet: Any = window.acts.dialog
    assert sheet.model.currentText() == "gemma-2-2b (open it too)"
    assert sheet.go.isEnabled()
    sheet.model.setCurrentIndex(0)
    assert not sheet.go.isEnabled()
    shoot(window, "sheet-fit")
    assert cut_off(sheet) == []
    sheet.reject()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_map(window: MainWindow, qtbot: QtBot, size: tuple[int, int], tmp_path: Path) -> None:
    window.resize(*size)
    for layer in (3, 11):
        tensors = {
            "encoder.weight": torch.zeros(4096, 768), "encoder.bias": torch.zeros(4096),
            "decoder.weight": torch.zeros(768, 4096), "decoder.bias": torch.zeros(768), "steps": torch.zeros(1),
        }  # fmt: skip
        save_file(tensors, tmp_path / f"layer_{layer}.safetensors")
    window.sae_acts.map_tensors(tmp_path)
    sheet: Any = window.acts.dialog
    qtbot.waitUntil(sheet.go.isEnabled, timeout=20_000)
    shoot(window, f"map-{size[0]}")
    assert cut_off(sheet) == []
    sheet.fields.activation.setCurrentIndex(sheet.fields.activation.findData("jumprelu"))
    sheet._show(CheckState("done", BAD))
    shoot(window, f"map-missing-{size[0]}")
    assert cut_off(sheet) == []
    sheet.reject()


@pytest.mark.parametrize("command", ["sae.open", "sae.check", "sae.read_otherwise", "sae.convert"])
def test_other_sheets(window: MainWindow, command: str) -> None:
    window.commands.run(command)
    shoot(window, command.replace(".", "-"))
    assert cut_off(window.acts.dialog) == []
    window.acts.dialog.close()
    assert not [each for each in QApplication.topLevelWidgets() if each.isVisible() and each is not window]
