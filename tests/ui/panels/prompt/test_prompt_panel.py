"""The prompt panel on the real engine: typing makes a heatmap, tokens tell what fires, and failures are sentences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from pytestqt.qtbot import QtBot

from semascope.core.session import edits
from semascope.core.session.document import Reference
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Command, Commands
from semascope.ui.panels.prompt.panel import PromptPanel
from semascope.ui.panels.prompt.presenter import Phase
from semascope.ui.panels.prompt.reading import Reading

SLOW = 60_000
TEXT = "The embassy of France\nin Paris 😀 é"


@pytest.fixture
def panel(qtbot: QtBot, laboratory: Workspace, commands: Commands) -> PromptPanel:
    laboratory.select(19)
    panel = PromptPanel(laboratory, commands)
    qtbot.addWidget(panel)
    panel.resize(690, 800)
    panel.show()
    return panel


def wait(qtbot: QtBot, panel: PromptPanel) -> Reading:
    """The reading once nothing is being computed."""
    qtbot.waitUntil(lambda: panel.presenter.reading is not None and not panel.presenter.working, timeout=SLOW)
    assert panel.presenter.reading is not None
    return panel.presenter.reading


def independent(model_path: Path, sae_path: Path, text: str) -> np.ndarray:
    """Feature activations (T, m) of a text, by plain transformers and the JumpReLU formula."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model_path)(text, return_tensors="pt")["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    with torch.inference_mode():
        x = model(ids, output_hidden_states=True).hidden_states[16][0]
    sae = load_file(next(sae_path.glob("*.safetensors")))
    before = (x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"]
    return torch.where(before > sae["threshold"], before, 0).numpy()


def test_typing_makes_a_heatmap_of_the_right_numbers(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace, demo_model_path: Path, small_sae_path: Path
) -> None:
    qtbot.keyClicks(panel.text, "The embassy of France")
    qtbot.keyClick(panel.text, Qt.Key.Key_Return)
    panel.text.insertPlainText("in Paris 😀 é")
    assert laboratory.session.prompt == TEXT
    reading = wait(qtbot, panel)
    expected = independent(demo_model_path, small_sae_path, TEXT)
    assert "".join(reading.activations.strings) == TEXT
    assert panel.tokens.tokens.text() == TEXT
    heat = reading.heat(19)
    np.testing.assert_allclose(heat.activations, expected[:, 19], rtol=1e-4, atol=1e-3)
    assert laboratory.harvest is not None
    assert heat.end == pytest.approx(float(laboratory.harvest.maximum[19]))
    assert panel.tokens.values is not None
    np.testing.assert_allclose(panel.tokens.values, np.clip(expected[:, 19] / heat.end, 0, 1), atol=1e-4)
    counted = expected.copy()
    counted[~reading.activations.counted] = 0
    best = reading.strongest(None)[0]
    assert best.feature == counted.max(0).argmax()
    assert best.activation == pytest.approx(counted.max(), rel=1e-4)


def test_the_token_under_the_cursor_lists_its_features(qtbot: QtBot, panel: PromptPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_prompt(TEXT))
    reading = wait(qtbot, panel)
    token = reading.activations.strings.index(" France")
    middle = panel.tokens.token_rect(token).center()
    assert panel.tokens.token_at(QPointF(middle)) == token
    panel.tokens.setFocus()
    panel.tokens.set_caret(token)
    listed = [(row.feature, row.activation) for row in panel.list.rows if row.feature is not None]
    top = reading.activations.top_at(token, 100)
    assert [feature for feature, _ in listed] == [feature for feature, _ in top][: len(listed)]
    assert "·France" in panel.list_title.text()
    panel.tokens.hovered.emit(token)
    assert panel.scale.mark == pytest.approx(float(reading.heat(19).activations[token]))
    qtbot.mouseClick(panel.whole, Qt.MouseButton.LeftButton)
    assert panel.presenter.token is None
    assert panel.list_title.text() == "Strongest features of the whole prompt"


def test_the_list_selects_and_pins(qtbot: QtBot, panel: PromptPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_prompt(TEXT))
    wait(qtbot, panel)
    first = panel.list.rows[0].feature
    assert first is not None
    panel.list.setCurrentIndex(panel.list.model().index(0, 0))
    qtbot.keyClick(panel.list, Qt.Key.Key_P)
    assert laboratory.is_pinned(first)
    assert panel.list.rows[0].colour == 0
    qtbot.keyClick(panel.list, Qt.Key.Key_Return)
    assert laboratory.selected == first
    assert [chip.feature for chip in panel.chips] == [first]
    laboratory.select(96)
    assert [chip.feature for chip in panel.chips] == [96, first]
    qtbot.mouseClick(panel.chips[1], Qt.MouseButton.LeftButton)
    assert laboratory.selected == first
    assert panel.presenter.reading is not None
    np.testing.assert_array_equal(panel.tokens.values, panel.presenter.reading.heat(first).shares)


def test_a_chat_is_shown_as_the_template_writes_it(qtbot: QtBot, panel: PromptPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_prompt("Hello"))
    plain = wait(qtbot, panel)
    qtbot.mouseClick(panel.mode.buttons[1], Qt.MouseButton.LeftButton)
    assert laboratory.session.prompt_chat
    qtbot.waitUntil(lambda: panel.presenter.reading is not plain, timeout=SLOW)
    strings = wait(qtbot, panel).activations.strings
    assert "<|im_start|>" in strings
    assert wait(qtbot, panel).activations.special[strings.index("<|im_start|>")]
    assert "not counted" in panel.counts.text()
    laboratory.undo()
    qtbot.waitUntil(lambda: wait(qtbot, panel).activations.strings == plain.activations.strings, timeout=SLOW)
    assert panel.mode.choice == 0


def test_the_newest_text_wins_and_an_emptied_field_shows_nothing(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace
) -> None:
    for words in range(1, 12):
        laboratory.do(edits.set_prompt(" ".join(["word"] * words)))
    wait(qtbot, panel)
    qtbot.waitUntil(lambda: panel.tokens.tokens.text() == " ".join(["word"] * 11), timeout=SLOW)
    laboratory.do(edits.set_prompt("gone"))
    laboratory.do(edits.set_prompt(""))
    assert panel.presenter.phase is Phase.EMPTY
    qtbot.wait(200)
    assert panel.presenter.phase is Phase.EMPTY
    assert panel.stage.currentWidget() is panel.empty


def test_a_prompt_longer_than_the_context_is_refused_in_a_sentence(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_prompt("word " * 9000))
    qtbot.waitUntil(lambda: panel.presenter.phase is Phase.FAILED, timeout=SLOW)
    assert panel.stage.currentWidget() is panel.failure
    assert "8,192" in panel.failure.accessibleName()
    laboratory.do(edits.set_prompt("short"))
    assert wait(qtbot, panel).activations.strings == ("short",)
    assert panel.presenter.phase is Phase.READY


def test_only_what_was_run_on_purpose_is_kept(qtbot: QtBot, panel: PromptPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_prompt("first"))
    wait(qtbot, panel)
    panel.text.setFocus()
    qtbot.keyClick(panel.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    laboratory.do(edits.set_prompt("second\nline"))
    panel.presenter.run_and_keep()
    assert panel.presenter.recent() == ("second\nline", "first")
    assert laboratory.undo_text == "Change the prompt"  # keeping is no step of its own
    panel.presenter.recall("first")
    assert panel.text.toPlainText() == "first"


def test_without_a_harvest_the_scale_is_this_prompts_own(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_prompt(TEXT))
    wait(qtbot, panel)
    laboratory.open_now.put_harvest(laboratory.session.key, None)
    laboratory.harvest_changed.emit()
    reading = panel.presenter.reading
    assert reading is not None
    assert reading.heat(19).maximum is None
    assert reading.heat(19).end == pytest.approx(reading.activations.peak(19)[0])
    assert all(row.share is None for row in panel.list.rows)


def test_without_a_model_it_says_what_would_be_here_and_offers_one(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace, commands: Commands
) -> None:
    asked: list[str] = []
    for kind in ("model", "sae"):
        commands.add(Command(f"{kind}.open", f"Open {kind}", "", lambda kind=kind: asked.append(kind)))
    laboratory.do(edits.set_prompt("word"))
    wait(qtbot, panel)
    info, laboratory.model_info = laboratory.model_info, None
    laboratory.engine_changed.emit()
    assert panel.presenter.phase is Phase.NO_MODEL
    assert panel.stage.currentWidget() is panel.empty
    qtbot.mouseClick(panel.empty.button, Qt.MouseButton.LeftButton)
    laboratory.model_info, sae = info, laboratory.sae_info
    assert sae is not None
    known = laboratory.session.sae
    laboratory.open_now.drop_sae(sae.fingerprint)
    laboratory.do(edits.refer("sae", None))
    laboratory.engine_changed.emit()
    assert panel.presenter.phase is Phase.NO_SAE
    qtbot.mouseClick(panel.empty.button, Qt.MouseButton.LeftButton)
    assert asked == ["model", "sae"]
    laboratory.do(edits.refer("sae", Reference("x", "y", "tiny", "sae")))
    panel.presenter.phase_changed.emit()
    assert panel.empty.button.text() == "Load tiny"
    laboratory.open_now.put_sae(sae)
    laboratory.do(edits.refer("sae", known))
    laboratory.engine_changed.emit()
    wait(qtbot, panel)
    assert panel.presenter.phase is Phase.READY


def test_a_feature_that_the_open_sae_lacks_lights_nothing(
    qtbot: QtBot, panel: PromptPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_prompt(TEXT))
    wait(qtbot, panel)
    laboratory.select(10**6)
    assert panel.presenter.feature is None
    assert panel.tokens.values is not None
    assert not panel.tokens.values.any()


def test_a_model_without_a_template_offers_no_chat(panel: PromptPanel, laboratory: Workspace) -> None:
    assert laboratory.model_info is not None
    laboratory.do(edits.set_prompt("", True))
    laboratory.model_info = replace(laboratory.model_info, chat=False)
    laboratory.engine_changed.emit()
    assert not panel.presenter.chat
    assert not panel.mode.buttons[1].isEnabled()
    assert "no chat template" in panel.mode.buttons[1].toolTip()


def test_the_list_stands_beside_the_text_where_there_is_room(qtbot: QtBot, panel: PromptPanel) -> None:
    assert panel.halves.orientation() is Qt.Orientation.Vertical
    panel.resize(1100, 700)
    qtbot.waitUntil(lambda: panel.halves.orientation() is Qt.Orientation.Horizontal)
