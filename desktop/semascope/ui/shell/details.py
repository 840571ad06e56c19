"""What a chip of the top bar shows when it is clicked: the facts, and what can be done about them."""

from __future__ import annotations

from semascope.state.workspace import Workspace
from semascope.ui.commands.registry import Commands
from semascope.ui.shell import words
from semascope.ui.shell.popover import Action, Facts, Popover


class Details(Popover):
    """Facts, sentences about them, and buttons."""

    def __init__(self, title: str, facts: Facts, notes: list[str], actions: list[Action]) -> None:
        super().__init__(title)
        self.add_facts(facts)
        for note in notes:
            self.add_sentence(note)
        self.add_actions(actions)


def model_details(workspace: Workspace, commands: Commands) -> Details:
    """The model's facts; what to do when there is none."""
    info, reference = workspace.model_info, workspace.session.model
    open_another: Action = ("Open another…" if info else "Open a model…", lambda: commands.run("model.open"))
    if info is None:
        load: list[Action] = [("Load it", lambda: workspace.opening.again("model"))] if reference else []
        facts = [("Where", reference.path)] if reference else []
        note = "Features can be read without a model. Prompts, steering and harvests need one."
        return Details(reference.name if reference else "No model is open", facts, [note], [*load, open_another])
    facts = [
        ("Architecture", info.architecture),
        ("Size", f"{info.layers} layers · d = {info.d_model:,} · {info.vocabulary:,} tokens"),
        ("Context", f"{info.context:,} tokens"),
        ("Runs on", words.model_facts(info)),
        ("Chat template", "yes" if info.chat else "none"),
        ("Where", str(info.path)),
        ("Fingerprint", words.short(info.fingerprint)),
    ]
    close: Action = ("Close it", lambda: commands.run("model.close"))
    return Details(info.name, facts, [], [open_another, close])


def harvest_details(workspace: Workspace, commands: Commands) -> Details:
    """What the harvest counted."""
    harvest = workspace.harvest
    actions: list[Action] = [
        ("Open another…" if harvest else "Open a harvest…", lambda: commands.run("harvest.open")),
        ("Harvest a corpus…", lambda: commands.run("harvest.run")),
    ]
    if harvest is None:
        note = "A harvest holds each feature's statistics and examples, measured on a corpus."
        return Details("No harvest is open", [], [note], actions)
    facts = [
        ("Tokens", f"{harvest.tokens:,}"),
        ("Features", f"{harvest.features:,}, {harvest.alive:,} alive"),
        ("Measured at", str(harvest.hook_point)),
        ("Where", str(harvest.path)),
    ]
    return Details(words.harvest_name(harvest), facts, [], actions)
