"""How long a harvest takes to open and to read, in fresh processes: the imports, opening, the table's order, a feature's page.

    .venv/bin/python tests/benchmarks/open_harvest.py [HARVEST] [--rounds 5]

Opens the demo's harvest unless told otherwise. Prints one JSON document of medians in milliseconds, and as a ratio what opening
costs against reading the same files once from the disk cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from semascope import paths

_CHILD = """
import json, sys, time
times = {}
def lap(name, since):
    now = time.perf_counter()
    times[name] = 1000 * (now - since)
    return now
at = time.perf_counter()
from semascope.core.features.table import order, search
from semascope.core.harvest.store import Harvest
at = lap("imports", at)
harvest = Harvest.open(sys.argv[1])
at = lap("open", at)
ids = order(harvest, "density")
at = lap("order", at)
search(harvest, "bridge")
at = lap("first search", at)
search(harvest, "bridge of")
at = lap("next search", at)
feature = int(ids[len(ids) // 50])
harvest.examples(feature), harvest.logits(feature), harvest.neighbours(feature), harvest.histogram(feature)
at = lap("first page", at)
for feature in ids[:50]:
    harvest.examples(int(feature)), harvest.logits(int(feature)), harvest.neighbours(int(feature))
at = lap("fifty pages", at)
print(json.dumps(times))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("harvest", nargs="?", type=Path, default=paths.resources_dir() / "demo" / "harvest")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if not (args.harvest / "harvest.json").is_file():
        raise SystemExit(f"There is no harvest at {args.harvest}.")
    rounds, reads = [], []
    for _ in range(args.rounds):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, str(args.harvest)], capture_output=True, text=True, check=True
        )
        rounds.append(json.loads(done.stdout))
        begun = time.perf_counter()
        size = sum(len(file.read_bytes()) for file in args.harvest.iterdir() if file.is_file())
        reads.append(1000 * (time.perf_counter() - begun))
    medians = {name: round(statistics.median(times[name] for times in rounds), 2) for name in rounds[0]}
    read = statistics.median(reads)
    print(
        json.dumps(
            {
                "megabytes": round(size / 1e6, 1),
                "milliseconds": {**medians, "reading every byte": round(read, 2)},
                "open_over_reading": round(medians["open"] / read, 3),
            }
        )
    )


if __name__ == "__main__":
    main()
