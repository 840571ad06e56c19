"""The steer panel on the real engine: sliders, undo, both answers, stop, and what it says when it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from semascope.core.session import edits
from semascope.core.session.document import SteerSettings
from semascope.jobs.requests import Generate
from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.panels.steer.panel import SteerPanel

SLOW = 60_000
GREEDY = SteerSettings(prompt="Name a city.", chat=True, max_tokens=6, temperature=0.0, seed=7)


@pytest.fixture
def panel(qtbot: QtBot, laboratory: Workspace, commands: Commands) -> SteerPanel:
    """Three pinned features, a prompt, greedy decoding."""
    for feature, label in ((19, "France"), (96, "lists\n<b>not bold</b>"), (149, "")):
        laboratory.do(edits.pin(feature))
        if label:
            laboratory.do(edits.set_label(feature, label))
    laboratory.do(edits.set_steer(GREEDY))
    panel = SteerPanel(laboratory, commands)
    qtbot.addWidget(panel)
    panel.resize(392, 830)
    panel.show()
    return panel


def answer(qtbot: QtBot, panel: SteerPanel) -> None:
    """Press Generate and wait for both answers and their effect."""
    qtbot.mouseClick(panel.generate, Qt.MouseButton.LeftButton)
    assert panel.presenter.generating
    qtbot.waitUntil(lambda: not panel.presenter.generating, timeout=SLOW)
    qtbot.waitUntil(lambda: "Measuring" not in panel.effect.text, timeout=SLOW)


def drag(qtbot: QtBot, panel: SteerPanel, feature: int, pixels: int) -> None:
    """Drag a slider's handle from the middle."""
    slider = panel.pinned.row(feature).slider
    middle = QPoint(slider.width() // 2, slider.height() // 2)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=middle)
    for step in range(1, 11):
        qtbot.mouseMove(slider, middle + QPoint(pixels * step // 10, 0))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=middle + QPoint(pixels, 0))


def test_a_drag_is_one_step_of_undo(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    drag(qtbot, panel, 19, 60)
    dragged = laboratory.pins()[0].strength
    assert dragged > 1
    assert panel.pinned.row(19).value.text().startswith("+")
    drag(qtbot, panel, 19, 100)
    assert laboratory.pins()[0].strength > dragged
    laboratory.undo()
    assert laboratory.pins()[0].strength == dragged
    assert panel.pinned.row(19).slider.strength == dragged
    laboratory.undo()
    assert laboratory.pins()[0].strength == 0.0
    assert panel.pinned.row(19).value.text() == "off"
    laboratory.redo()
    assert laboratory.pins()[0].strength == dragged


def test_the_tooltip_tells_the_raw_value(panel: SteerPanel, laboratory: Workspace) -> None:
    assert laboratory.harvest is not None
    laboratory.do(edits.set_strength(19, 4.0))
    maximum = float(laboratory.harvest.maximum[19])
    assert f"Clamp to {4 * maximum:.1f}".split(".")[0] in panel.pinned.row(19).slider.toolTip()
    assert panel.presenter.wanted_edits()[0].value == pytest.approx(4 * maximum)


def test_a_value_is_typed_and_nonsense_changes_nothing(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    row = panel.pinned.row(96)
    row.slider.setFocus()
    qtbot.keyClicks(row.slider, "1")
    qtbot.keyClicks(row.value, "2.5")
    qtbot.keyClick(row.value, Qt.Key.Key_Return)
    assert laboratory.pins()[1].strength == 12.5
    assert row.value.text() == "+12.5 ×"
    row.value.setFocus()
    row.value.selectAll()
    qtbot.keyClicks(row.value, "loud")
    qtbot.keyClick(row.value, Qt.Key.Key_Return)
    assert laboratory.pins()[1].strength == 12.5
    assert row.value.text() == "+12.5 ×"


def test_mute_solo_and_modes(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    row = panel.pinned.row(19)
    qtbot.keyClick(row.slider, Qt.Key.Key_M)
    assert [pin.enabled for pin in laboratory.pins()] == [False, True, True]
    qtbot.mouseClick(row.dot, Qt.MouseButton.LeftButton)
    assert [pin.enabled for pin in laboratory.pins()] == [True, True, True]
    qtbot.keyClick(row.slider, Qt.Key.Key_S)
    assert [pin.enabled for pin in laboratory.pins()] == [True, False, False]
    qtbot.keyClick(row.slider, Qt.Key.Key_S)
    assert [pin.enabled for pin in laboratory.pins()] == [True, True, True]
    chosen = {action.text(): action for action in row.menu().actions()}
    chosen["Ablate (set to zero)"].trigger()
    assert laboratory.pins()[0].mode == "ablate"
    assert not row.slider.isEnabled()
    assert panel.presenter.wanted_edits()[0].mode == "ablate"
    qtbot.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    assert panel.presenter.wanted_edits() == ()
    chosen["Unpin"].trigger()
    assert [pin.feature for pin in laboratory.pins()] == [96, 149]


def test_a_label_is_shown_as_it_is_on_one_line(panel: SteerPanel) -> None:
    name = panel.pinned.row(96).name
    assert name.sizeHint().height() < 30
    assert name.accessibleName() == "Feature 96, lists\n<b>not bold</b>"


def test_at_temperature_0_the_baseline_is_plain_greedy_generation(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace, demo_model_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    laboratory.do(edits.set_strength(19, 3.0))
    answer(qtbot, panel)
    tokenizer = AutoTokenizer.from_pretrained(demo_model_path)
    model = AutoModelForCausalLM.from_pretrained(demo_model_path, dtype=torch.float32)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": GREEDY.prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    out = model.generate(**ids, max_new_tokens=GREEDY.max_tokens, do_sample=False)
    expected = tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True)
    answers = panel.presenter.answers
    assert answers is not None
    assert answers.baseline.text == expected
    assert answers.steered.text != expected
    assert panel.baseline.text.tokens.text() == expected
    assert answers.parting is not None
    assert answers.baseline.strings[: answers.parting] == answers.steered.strings[: answers.parting]
    assert answers.lit == 19
    assert panel.effect.text.startswith("Effect KL\N{NO-BREAK SPACE}")
    assert "random push of equal norm KL" in panel.effect.text


def test_both_answers_are_kept_and_shown_without_a_model(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_strength(19, 3.0))
    answer(qtbot, panel)
    kept = laboratory.session.answers[-1]
    assert kept.baseline == panel.baseline.text.tokens.text()
    assert [(edit.feature, edit.mode) for edit in kept.edits] == [(19, "clamp")]
    assert laboratory.undo_text == "Steer feature 19"  # an answer is no step of its own
    other = SteerPanel(laboratory, Commands())
    qtbot.addWidget(other)
    laboratory.model_info = None
    laboratory.engine_changed.emit()
    assert other.steered.text.tokens.text() == kept.steered
    assert not other.generate.isEnabled()


def test_with_every_slider_off_both_answers_are_the_same(qtbot: QtBot, panel: SteerPanel) -> None:
    answer(qtbot, panel)
    answers = panel.presenter.answers
    assert answers is not None
    assert answers.baseline.text == answers.steered.text
    assert answers.parting is None
    assert "Nothing was steered" in panel.effect.text


def test_stop_leaves_what_was_said_and_the_lane_free(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_steer(replace(GREEDY, prompt="Tell me a long story.", max_tokens=1000)))
    laboratory.do(edits.set_strength(19, 1.0))
    qtbot.mouseClick(panel.generate, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(panel.baseline.text.tokens) >= 3, timeout=SLOW)
    assert panel.stop.isVisible()
    laboratory.do(edits.set_strength(19, 2.0))  # sliders stay usable meanwhile
    qtbot.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.presenter.generating, timeout=SLOW)
    assert 3 <= len(panel.baseline.text.tokens) < 1000
    assert panel.baseline.remark.text() == "stopped"
    assert not panel.stop.isVisible()
    assert laboratory.session.answers == ()
    laboratory.do(edits.set_steer(GREEDY))
    answer(qtbot, panel)
    assert len(panel.baseline.text.tokens) <= GREEDY.max_tokens


def test_the_newest_question_is_the_one_that_is_answered(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_steer(replace(GREEDY, prompt="Tell me a long story.", max_tokens=500)))
    panel.presenter.generate()
    qtbot.waitUntil(lambda: len(panel.baseline.text.tokens) >= 2, timeout=SLOW)
    laboratory.do(edits.set_steer(replace(GREEDY, max_tokens=4)))
    answer(qtbot, panel)
    assert [kept.prompt for kept in laboratory.session.answers] == [GREEDY.prompt]
    assert panel.baseline.text.tokens.text() == laboratory.session.answers[0].baseline


def test_moved_sliders_are_said_beside_an_older_effect(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_strength(19, 3.0))
    answer(qtbot, panel)
    assert "differently" not in panel.effect.text
    laboratory.do(edits.set_strength(19, 4.0))
    assert "differently" in panel.effect.text
    laboratory.undo()
    assert "differently" not in panel.effect.text


def test_a_prompt_longer_than_the_context_is_refused_in_a_sentence(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.set_steer(replace(GREEDY, prompt="word " * 9000)))
    panel.presenter.generate()
    qtbot.waitUntil(lambda: panel.presenter.error is not None, timeout=SLOW)
    assert panel.stage.currentWidget() is panel.failure
    assert "8,192" in panel.failure.accessibleName()
    laboratory.do(edits.set_steer(GREEDY))
    qtbot.mouseClick(panel.failure.action, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.presenter.generating, timeout=SLOW)
    assert panel.presenter.error is None
    assert panel.baseline.text.tokens.text()


def test_without_a_harvest_strengths_are_raw_and_it_says_so(panel: SteerPanel, laboratory: Workspace) -> None:
    laboratory.do(edits.set_strength(19, 4.0))
    laboratory.open_now.put_harvest(laboratory.session.key, None)
    laboratory.harvest_changed.emit()
    assert "raw activations" in panel.remark.text()
    assert panel.pinned.row(19).value.text() == "+4.0"
    assert panel.presenter.wanted_edits()[0].value == 4.0


def test_a_harvest_of_the_sae_read_elsewhere_is_no_yardstick(panel: SteerPanel, laboratory: Workspace) -> None:
    assert laboratory.sae_info is not None
    laboratory.do(edits.set_strength(19, 4.0))
    laboratory.open_now.put_sae(replace(laboratory.sae_info, hook_point="resid_pre.15"))
    laboratory.engine_changed.emit()
    assert "resid_pre.15" in panel.remark.text()
    assert panel.presenter.wanted_edits()[0].value == 4.0


def test_without_pins_it_offers_to_pin_the_selected_feature(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace
) -> None:
    laboratory.do(edits.clear_pins())
    assert panel.no_pins.isVisible()
    assert not panel.no_pins.button.isVisible()
    laboratory.select(42)
    assert panel.no_pins.button.text() == "Pin feature 42"
    qtbot.mouseClick(panel.no_pins.button, Qt.MouseButton.LeftButton)
    assert [pin.feature for pin in laboratory.pins()] == [42]
    assert panel.pinned.isVisible()


def test_typing_the_prompt_is_one_step_and_undo_brings_the_old_one_back(
    qtbot: QtBot, panel: SteerPanel, laboratory: Workspace
) -> None:
    panel.prompt.selectAll()
    qtbot.keyClicks(panel.prompt, "What is wool?")
    assert laboratory.session.steer.prompt == "What is wool?"
    qtbot.keyClick(panel.prompt, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert laboratory.session.steer.prompt == "What is wool?"  # the window's undo, not the field's
    laboratory.undo()
    assert panel.prompt.toPlainText() == GREEDY.prompt


def test_the_settings_reach_the_engine(qtbot: QtBot, panel: SteerPanel, laboratory: Workspace) -> None:
    panel.sampling.click()
    panel.settings.tokens.setValue(5)
    panel.settings.temperature.setValue(0.0)
    panel.settings.seed.setValue(11)
    qtbot.mouseClick(panel.settings.mode.buttons[0], Qt.MouseButton.LeftButton)
    assert panel.sampling.text() == "5 tokens · greedy"
    answer(qtbot, panel)
    kept = laboratory.session.answers[-1].settings
    assert (kept.max_tokens, kept.temperature, kept.seed, kept.chat) == (5, 0.0, 11, False)
    laboratory.undo()
    assert panel.settings.tokens.value() == GREEDY.max_tokens


def test_commands_follow_the_state(panel: SteerPanel, laboratory: Workspace, commands: Commands) -> None:
    assert commands["steer.generate"].enabled()
    assert not commands["steer.stop"].enabled()
    assert not commands["steer.reset_all"].enabled()
    laboratory.do(edits.set_strength(19, 1.0))
    assert commands.run("steer.reset_all")
    assert panel.presenter.wanted_edits() == ()
    laboratory.do(edits.set_steer(replace(GREEDY, prompt=" ")))
    assert not commands["steer.generate"].enabled()
    assert panel.generate.toolTip() == "Write a prompt first"


def test_the_request_has_no_edits_for_sliders_that_are_off(panel: SteerPanel) -> None:
    assert Generate("x", edits=panel.presenter.wanted_edits()).edits == ()
