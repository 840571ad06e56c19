"""Write the demo's labels and its session from `labels.toml`, where a person said what the features are.

    .venv/bin/python packaging/make_demo/session.py

Labels go into the harvest (`labels.json`), so that they travel with it; what is pinned, selected and asked goes into the
session. They belong to one dictionary, whose fingerprint `labels.toml` names: for another one nothing is written.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from semascope import paths
from semascope.core.fingerprint import fingerprint
from semascope.core.harvest.store import Harvest
from semascope.core.session.document import Pin, Reference, Session, SteerSettings
from semascope.core.session.file import SessionFile

LABELS = Path(__file__).with_name("labels.toml")


def main() -> None:
    """Check the fingerprint, then write both files."""
    told = tomllib.loads(LABELS.read_text(encoding="utf-8"))
    demo = paths.demo_dir()
    harvest = Harvest.open(demo / "harvest")
    dictionary = str(harvest.info["sae"]["sha256"])
    if told["dictionary"] != dictionary:
        sys.exit(f"labels.toml is about the dictionary {told['dictionary']}, the harvest is of {dictionary}.")
    labels = {int(feature): str(label) for feature, label in told["labels"].items()}
    (demo / "harvest" / "labels.json").write_text(
        json.dumps({str(feature): labels[feature] for feature in sorted(labels)}, ensure_ascii=False, indent=0) + "\n",
        encoding="utf-8",
    )
    corpus = demo / "corpus" / "sample.jsonl"
    session = Session(
        model=Reference("demo:model", str(harvest.info["model"]["sha256"]), paths.DEMO_MODEL, "model"),
        sae=Reference("demo:sae", dictionary, "resid_post 15 · 8,192 features", "sae"),
        harvest=Reference("demo:harvest", fingerprint([demo / "harvest" / "harvest.json"]), "demo", "harvest"),
        corpus=Reference("demo:corpus", fingerprint([corpus]), corpus.name, "corpus"),
        pins={dictionary: tuple(Pin(int(pin["feature"]), float(pin["strength"])) for pin in told["pins"])},
        prompts=tuple(told["prompts"]),
        prompt=told["prompts"][0],
        steer=SteerSettings(**told["steer"]),
        selected=int(told["selected"]),
        sort=("label", False),  # the features that somebody named, before thousands that nobody did
    )
    file = demo / "demo.semascope"
    file.unlink(missing_ok=True)
    SessionFile.create(file, session).close()
    print(f"{len(labels)} labels, {len(told['pins'])} pins: {file.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
