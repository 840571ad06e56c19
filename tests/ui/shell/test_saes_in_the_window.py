"""SAEs as a person meets them: dropped, chosen from a release, asked about, checked, read otherwise, mapped, converted."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from safetensors.torch import load_file, save_file

from semascope import paths
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes import open_sae
from semascope.core.saes.tensor_map import MAP
from semascope.jobs.infos import SAEInfo
from semascope.ui.shell.check_bar import CheckBar
from semascope.ui.shell.convert_sheet import ConvertSheet
from semascope.ui.shell.main_window import MainWindow
from semascope.ui.shell.map_sheet import MapSheet
from semascope.ui.shell.reading_sheet import ReadingSheet
from semascope.ui.shell.release_sheet import ReleaseSheet
from semascope.ui.shell.sae_details import SAEDetails
from semascope.ui.shell.sae_sheet import SAESheet
from semascope.ui.shell.top_bar import TopBar
from tests.core.saes.golden import GOLDEN
from tests.ui.shell.conftest import SLOW


def say_otherwise(small: Path, folder: Path, **metadata: object) -> Path:
    """A copy of an SAE whose settings say something else."""
    folder.mkdir(parents=True)
    config = json.loads((small / "cfg.json").read_text())
    config["metadata"] |= metadata
    (folder / "cfg.json").write_text(json.dumps(config))
    shutil.copy(small / "sae_weights.safetensors", folder / "sae_weights.safetensors")
    return folder


def sheet(window: MainWindow, qtbot: QtBot, kind: type) -> object:
    """The sheet that is shown, once it is one of this kind."""
    qtbot.waitUntil(lambda: isinstance(window.acts.dialog, kind), timeout=SLOW)
    return window.acts.dialog


def current(window: MainWindow) -> SAEInfo:
    info = window.workspace.sae_info
    assert info is not None
    return info


def checked(window: MainWindow, qtbot: QtBot) -> None:
    """Wait until the current SAE has been checked as it is read now."""
    workspace = window.workspace
    qtbot.waitUntil(
        lambda: (
            workspace.sae_info is not None and workspace.checking.of(workspace.sae_info).stage in ("done", "failed")
        ),
        timeout=4 * SLOW,
    )
    assert workspace.checking.of(current(window)).stage == "done", workspace.checking.of(current(window)).why


def test_an_sae_is_checked_by_itself_and_the_chip_says_so(
    window: MainWindow, qtbot: QtBot, demo_model_path: Path, small_sae_path: Path
) -> None:
    window.open_paths([small_sae_path])
    bar = window.findChild(TopBar)
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    bar.sae.click()
    details = bar._details
    assert isinstance(details, SAEDetails)
    assert details.card.verdict.text() == "Not checked yet: open its model"
    details.close()
    window.open_paths([demo_model_path])
    qtbot.waitUntil(lambda: window.workspace.model_info is not None, timeout=SLOW)
    checked(window, qtbot)
    state = window.workspace.checking.of(current(window))
    assert state.check is not None
    assert state.check.model == window.workspace.model_info.name
    assert bar.sae.accessibleDescription().endswith(
        {"plausible": "read correctly", "doubtful": "check: doubtful", "implausible": "check: implausible"}[
            state.check.verdict
        ]
    )
    assert window.workspace.session.checks[current(window).fingerprint] == state.check
    assert window.findChild(CheckBar).isVisible() == state.wrong


def test_one_that_is_read_wrongly_is_told_read_otherwise_and_back(
    window: MainWindow, qtbot: QtBot, demo_model_path: Path, tmp_path: Path
) -> None:
    wrong = say_otherwise(paths.demo_dir() / "sae", tmp_path / "wrong", hook_name="blocks.15.hook_mlp_out")
    window.open_paths([demo_model_path])
    qtbot.waitUntil(lambda: window.workspace.model_info is not None, timeout=SLOW)
    window.open_paths([wrong])
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    checked(window, qtbot)
    check = window.workspace.checking.of(current(window)).check
    assert check is not None
    assert check.verdict == "implausible"
    assert check.recommended is not None
    bar = window.findChild(CheckBar)
    assert bar.isVisible()
    assert "mlp_out.15" in bar.words.text()
    bar.use.click()
    qtbot.waitUntil(lambda: bool(current(window).reading), timeout=SLOW)
    assert current(window).reading == check.recommended
    assert not bar.isVisible()
    checked(window, qtbot)
    better = window.workspace.checking.of(current(window)).check
    assert better is not None
    assert better.explained > check.explained
    window.commands.run("edit.undo")
    qtbot.waitUntil(lambda: not current(window).reading, timeout=SLOW)


def test_a_release_is_a_tree_to_choose_from(
    window: MainWindow, qtbot: QtBot, small_sae_path: Path, tmp_path: Path
) -> None:
    for layer in (2, 10, 15):
        say_otherwise(small_sae_path, tmp_path / f"layer_{layer}", hook_name=f"blocks.{layer}.hook_resid_post")
    window.open_paths([tmp_path])
    shown = sheet(window, qtbot, ReleaseSheet)
    assert isinstance(shown, ReleaseSheet)
    qtbot.waitUntil(lambda: "3 SAEs" in shown.verdict.text(), timeout=SLOW)
    site = shown.tree.topLevelItem(0)
    assert [site.child(i).text(0) for i in range(site.childCount())] == ["Layer 2", "Layer 10", "Layer 15"]
    assert not shown.go.isEnabled()
    shown.filter.setText("resid_post.2")
    qtbot.waitUntil(lambda: site.child(1).isHidden() and not site.child(0).isHidden())
    shown.filter.clear()
    qtbot.waitUntil(lambda: not site.child(1).isHidden())
    for layer in (0, 2):
        site.child(layer).child(0).setSelected(True)
    assert shown.go.text() == "Open 2"
    shown.go.click()
    qtbot.waitUntil(lambda: len(window.workspace.sae_infos) == 2, timeout=SLOW)
    assert [info.hook_point for info in window.workspace.sae_infos] == ["resid_post.2", "resid_post.15"]
    qtbot.waitUntil(lambda: not window.workspace.opening.pending, timeout=SLOW)
    bar = window.findChild(TopBar)
    bar.sae.click()
    rows = [button.accessibleName() for button in bar._details.findChildren(QPushButton)]
    assert any(name.startswith("Close resid_post") for name in rows)
    bar._details.close()


def test_a_release_is_walked_by_keyboard(window: MainWindow, qtbot: QtBot) -> None:
    window.open_paths([GOLDEN / "sae_lens_legacy"])
    shown = sheet(window, qtbot, ReleaseSheet)
    assert isinstance(shown, ReleaseSheet)
    qtbot.waitUntil(lambda: "Choose" in shown.verdict.text(), timeout=SLOW)
    shown.by.buttons[1].click()
    shown.tree.setFocus()
    QTest.keyClick(shown.tree, Qt.Key.Key_Home)
    QTest.keyClick(shown.tree, Qt.Key.Key_Down)
    assert shown.go.isEnabled()
    with qtbot.waitSignal(shown.accepted):
        QTest.keyClick(shown.tree, Qt.Key.Key_Return)


def test_one_that_does_not_say_where_it_reads_is_asked_about(
    window: MainWindow, qtbot: QtBot, small_sae_path: Path, tmp_path: Path
) -> None:
    window.open_paths([say_otherwise(small_sae_path, tmp_path / "nowhere", hook_name=None)])
    shown = sheet(window, qtbot, SAESheet)
    assert isinstance(shown, SAESheet)
    assert "don't say where it reads" in shown.verdict.text()
    assert "MB" in shown.numbers.currentText()
    shown.hook.show_text("resid_post.15")
    shown.go.click()
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    assert current(window).hook_point == "resid_post.15"
    assert current(window).reading.hooks == (HookPoint("resid_post", 15),)
    assert not any("hook point" in problem for problem in current(window).problems)


def test_read_otherwise_is_a_form(window: MainWindow, qtbot: QtBot, small_sae_path: Path) -> None:
    window.open_paths([small_sae_path])
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    window.commands.run("sae.read_otherwise")
    shown = sheet(window, qtbot, ReadingSheet)
    assert isinstance(shown, ReadingSheet)
    assert not shown.go.isEnabled()
    shown.scale.setText("minus one")
    assert "not a scale" in shown.verdict.text()
    shown.scale.setText("0.5")
    shown.processing.setCurrentIndex(shown.processing.findData("centred"))
    shown.go.click()
    qtbot.waitUntil(lambda: bool(current(window).reading), timeout=SLOW)
    assert (current(window).scale, current(window).processing) == (0.5, "centred")
    window.commands.run("edit.undo")
    qtbot.waitUntil(lambda: not current(window).reading, timeout=SLOW)
    assert (current(window).scale, current(window).processing) == (1.0, "raw")


def test_unknown_tensors_are_mapped_and_opened(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "someone's"
    folder.mkdir()
    draw = torch.Generator().manual_seed(0)
    tensors = {
        "enc.kernel": torch.randn(12, 40, generator=draw),
        "enc_bias": torch.randn(40, generator=draw),
        "dec.kernel": torch.randn(40, 12, generator=draw),
        "other": torch.zeros(3),
    }
    save_file(tensors, folder / "weights_layer7.safetensors")
    window.open_paths([folder])
    shown = sheet(window, qtbot, MapSheet)
    assert isinstance(shown, MapSheet)
    qtbot.waitUntil(lambda: shown._draft is not None and shown.tensors.topLevelItemCount() == 4, timeout=SLOW)
    encoder = shown.fields.rows["W_enc"]
    encoder.tensor.setCurrentIndex(encoder.tensor.findText("enc.kernel", Qt.MatchFlag.MatchStartsWith))
    decoder = shown.fields.rows["W_dec"]
    decoder.tensor.setCurrentIndex(0)
    assert decoder.tensor.currentText() == "the encoder, turned round"
    decoder.tensor.setCurrentIndex(decoder.tensor.findText("dec.kernel", Qt.MatchFlag.MatchStartsWith))
    assert encoder.axes.currentText() == "d × m"
    assert not encoder.axes.isEnabled(), "the shape says it"
    shown.fields.activation.setCurrentIndex(shown.fields.activation.findData("topk"))
    assert "(k)" in shown.verdict.text()
    assert not shown.go.isEnabled()
    shown.fields.k.setValue(4)
    assert shown.fields.hook.text == "resid_post.7"
    assert shown.go.isEnabled(), shown.verdict.text()
    shown.go.click()
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    assert (folder / MAP).is_file()
    assert (current(window).format, current(window).activation, current(window).k) == ("mapped", "topk", 4)
    sae, x = open_sae(folder, device="cpu"), torch.randn(3, 12)
    p = x @ tensors["enc.kernel"] + tensors["enc_bias"]
    top = p.topk(4)
    torch.testing.assert_close(sae.encode(x), torch.zeros_like(p).scatter(1, top.indices, top.values.clamp_min(0)))


def test_a_map_that_can_t_be_written_is_converted(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "read only"
    folder.mkdir()
    tensors = {"encoder.weight": torch.randn(40, 12), "decoder.weight": torch.randn(12, 40)}
    save_file(tensors, folder / "model.safetensors")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, whom nothing stops
    window.open_paths([folder])
    shown = sheet(window, qtbot, MapSheet)
    assert isinstance(shown, MapSheet)
    qtbot.waitUntil(lambda: shown._draft is not None and shown.go.isEnabled(), timeout=SLOW)
    assert "can't be written" in shown.verdict.text()
    shown.fields.hook.show_text("resid_post.1")
    shown.go.click()
    asked = sheet(window, qtbot, ConvertSheet)
    assert isinstance(asked, ConvertSheet)
    asked.out.setText(str(tmp_path / "converted"))
    asked.go.click()
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    assert current(window).path == tmp_path / "converted"
    x = torch.randn(3, 12)
    f = (x @ tensors["encoder.weight"].T).clamp_min(0)
    torch.testing.assert_close(open_sae(tmp_path / "converted", device="cpu").encode(x), f)
    assert not (folder / MAP).exists()


def test_an_open_sae_is_converted(window: MainWindow, qtbot: QtBot, small_sae_path: Path, tmp_path: Path) -> None:
    window.open_paths([small_sae_path])
    qtbot.waitUntil(lambda: window.workspace.sae_info is not None, timeout=SLOW)
    window.commands.run("sae.convert")
    shown = sheet(window, qtbot, ConvertSheet)
    assert isinstance(shown, ConvertSheet)
    shown.out.setText(str(small_sae_path))
    assert "exists already" in shown.verdict.text()
    shown.out.setText(str(tmp_path / "copy"))
    shown.go.click()
    qtbot.waitUntil(lambda: "converted" in window.toast.text, timeout=SLOW)
    before, after = (load_file(path / "sae_weights.safetensors") for path in (small_sae_path, tmp_path / "copy"))
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("command", ["sae.open", "sae.open_with_choices", "sae.map"])
def test_the_ways_in_ask_for_a_folder_or_a_file(window: MainWindow, command: str, small_sae_path: Path) -> None:
    window.commands.run(command)
    asked = window.acts.dialog
    assert not asked.go.isEnabled()
    asked.path.setText("/nowhere/at/all")
    assert "nothing at" in asked.verdict.text()
    asked.path.setText(str(small_sae_path))
    assert asked.go.isEnabled()
    asked.reject()


def test_sheets_wait_for_their_turn(window: MainWindow, qtbot: QtBot, small_sae_path: Path, tmp_path: Path) -> None:
    first = say_otherwise(small_sae_path, tmp_path / "first", hook_name=None)
    second = say_otherwise(small_sae_path, tmp_path / "second", hook_name=None)
    window.open_paths([first, second])
    names = []
    for _ in range(2):
        shown = sheet(window, qtbot, SAESheet)
        assert isinstance(shown, SAESheet)
        names.append(shown._survey.path.name)
        assert len([w for w in QApplication.topLevelWidgets() if isinstance(w, SAESheet) and w.isVisible()]) == 1
        window.acts.dialog = None
        shown.reject()
    assert sorted(names) == ["first", "second"]
