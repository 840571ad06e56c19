"""The commands of the window itself: open, save, undo, what is shown, theme and size. Panels add their own, after these."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from semascope import paths
from semascope.state.settings import SCALES
from semascope.ui.commands.registry import Command, Commands
from semascope.ui.panels import PANELS

if TYPE_CHECKING:
    from semascope.ui.shell.main_window import MainWindow


def add_all(window: MainWindow, commands: Commands) -> None:
    """Register every command of the window."""
    for group in (_files, _edits, _views, _models, _help):
        for command in group(window):
            commands.add(command)


def _files(w: MainWindow) -> list[Command]:
    menu, acts = "File", w.acts
    demo = paths.demo_dir() / "demo.semascope"
    return [
        Command("session.new", "New session", "Close everything and begin with nothing.", acts.new_session, "Ctrl+N", menu),
        Command("session.open", "Open a session…", "Go on with saved work.", acts.open_session, "Ctrl+O", menu),
        Command("session.demo", "Try the demo", "Open a small model with its features.", acts.open_demo, "", menu,
                enabled=demo.exists, words="example sample"),
        Command("session.save_as", "Save the session as…", "Keep the work in a file of your own; from then on it is saved there.",
                acts.save_as, "Ctrl+Shift+S", menu, section="save"),
        Command("model.open", "Open a model…", "Load a model from a folder or a GGUF file.", acts.open_model, "Ctrl+M", menu,
                section="open", words="load transformers gguf device cpu cuda"),
        Command("sae.open", "Open an SAE…", "Load a sparse autoencoder, or choose from a folder of many.", w.sae_acts.open,
                "Ctrl+E", menu, section="open", words="dictionary load release"),
        Command("sae.open_with_choices", "Open an SAE with choices…", "Say where it reads and how much memory it may take first.",
                w.sae_acts.open_with_choices, "Ctrl+Shift+E", menu, section="open", words="dtype memory hook point"),
        Command("sae.map", "Map tensors to an SAE…", "Say which tensor is which, for files of a format that nobody knows.",
                w.sae_acts.map_a_file, "", menu, section="open", words="import unknown weights"),
        Command("harvest.open", "Open a harvest…", "Read features without a model.", acts.open_harvest, "Ctrl+H", menu,
                section="open"),
        Command("window.quit", "Quit", "Close the window; the session is saved.", w.close, "Ctrl+Q", menu, section="quit",
                words="exit"),
    ]  # fmt: skip


def _edits(w: MainWindow) -> list[Command]:
    workspace = w.workspace
    return [
        Command("edit.undo", "Undo", "Take back the last change.", workspace.undo, "Ctrl+Z", "Edit",
                enabled=lambda: bool(workspace.undo_text),
                live_title=lambda: f"Undo “{workspace.undo_text}”" if workspace.undo_text else "Undo"),
        Command("edit.redo", "Redo", "Do again what was taken back.", workspace.redo, "Ctrl+Shift+Z", "Edit",
                enabled=lambda: bool(workspace.redo_text),
                live_title=lambda: f"Redo “{workspace.redo_text}”" if workspace.redo_text else "Redo"),
        Command("window.palette", "Find a command…", "Everything the program can do, by its words.", w.finder.open,
                "Ctrl+K", "Edit", section="find", words="palette search"),
    ]  # fmt: skip


def _views(w: MainWindow) -> list[Command]:
    settings = w.settings
    panels = [
        Command(f"view.{spec.id}", spec.title, f"Show or hide the panel {spec.title}.",
                partial(w.acts.toggle_panel, spec.id), f"Alt+{number}", "View",
                checked=partial(w.acts.shows_panel, spec.id), words="panel show hide dock")
        for number, spec in enumerate(PANELS, 1)
    ]  # fmt: skip
    themes = [
        Command(f"view.theme.{mode}", title, help, partial(settings.change, theme=mode), "", "View/Theme",
                checked=partial(_has_theme, w, mode), words="colour color dark light night")
        for mode, title, help in (
            ("system", "Theme of the system", "Light or dark, as the desktop is."),
            ("light", "Light theme", "Dark text on white."),
            ("dark", "Dark theme", "Light text on near-black."),
        )
    ]  # fmt: skip
    return [
        *panels,
        *themes,
        Command("view.larger", "Larger text", "Make everything a step larger.", lambda: _scale(w, 1), "Ctrl++", "View",
                section="size", words="zoom in font", enabled=lambda: settings.current.text_scale < SCALES[-1]),
        Command("view.smaller", "Smaller text", "Make everything a step smaller.", lambda: _scale(w, -1), "Ctrl+-", "View",
                section="size", words="zoom out font", enabled=lambda: settings.current.text_scale > SCALES[0]),
        Command("view.normal", "Normal text", "Text at 100 %.", lambda: settings.change(text_scale=1.0), "Ctrl+0", "View",
                section="size", words="zoom reset"),
        Command("view.full_screen", "Full screen", "Use the whole screen, or stop.", w.toggle_full_screen, "F11", "View",
                section="window", checked=w.isFullScreen),
        Command("view.reset_layout", "Reset layout", "Put all panels back where they were at first.", w.acts.reset_layout, "",
                "View", section="window", words="docks panels default"),
    ]  # fmt: skip


def _models(w: MainWindow) -> list[Command]:
    workspace, acts = w.workspace, w.acts
    return [
        Command("harvest.run", "Harvest a corpus…", "Run a corpus through model and SAE and keep statistics and examples.",
                acts.harvest, "Ctrl+Shift+H", "Model", words="corpus statistics run"),
        Command("sae.check", "Check how the SAE is read…", "See on a few thousand tokens whether it explains what it reads.",
                w.sae_acts.check, "", "Model", section="sae", enabled=w.sae_acts.can_check, words="self-check verify"),
        Command("sae.read_otherwise", "Read the SAE otherwise…", "Another hook point, form of activations, scale or normalisation.",
                w.sae_acts.read_otherwise, "", "Model", section="sae", enabled=lambda: workspace.sae_info is not None,
                words="hook centred scale"),
        Command("sae.convert", "Convert the SAE to SAELens…", "Write it as a SAELens folder; nothing is lost.",
                w.sae_acts.convert, "", "Model", section="sae", enabled=lambda: workspace.sae_info is not None,
                words="export save"),
        Command("model.load", "Load the model and the SAE", "Open what this session was made with.", acts.load_all, "", "Model",
                section="load", enabled=acts.can_load),
        Command("model.close", "Close the model", "Free its memory; everything already computed stays.",
                workspace.opening.close_model, "", "Model", section="close",
                enabled=lambda: workspace.model_info is not None, words="unload"),
        Command("sae.close", "Close the SAE", "Free its memory.", lambda: workspace.opening.close_sae(), "", "Model",
                section="close", enabled=lambda: workspace.sae_info is not None, words="unload"),
    ]  # fmt: skip


def _help(w: MainWindow) -> list[Command]:
    return [
        Command("help.shortcuts", "Keyboard shortcuts", "Every command that has a key.", w.acts.show_shortcuts, "F1", "Help",
                words="keys"),
        Command("help.places", "Where the program keeps its files", "The folders of sessions, settings and models.",
                w.acts.show_places, "", "Help", words="data folder path basedir"),
        Command("help.about", "About Semascope", "Version and licence.", w.acts.show_about, "", "Help"),
    ]  # fmt: skip


def _has_theme(w: MainWindow, mode: str) -> bool:
    return w.settings.current.theme == mode


def _scale(w: MainWindow, step: int) -> None:
    now = min(range(len(SCALES)), key=lambda i: abs(SCALES[i] - w.settings.current.text_scale))
    w.settings.change(text_scale=SCALES[max(0, min(len(SCALES) - 1, now + step))])
