"""What it costs to leave an SAE's matrices in their file: memory and time against the same SAE in memory.

    .venv/bin/python tests/benchmarks/mapped_sae.py [--width 1024] [--features 131072] [--tokens 256] [--rounds 3]

Makes a SAELens folder of random weights, opens it both ways in fresh processes, and prints one JSON document: private memory
held by each (Linux' "Anonymous") over the size of the matrices, and the time to encode and decode over that of the one in memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from semascope.core.saes.save import write_saelens

_CHILD = """
import json, sys, time
import torch
from semascope.core.saes.opening import open_sae

def anonymous():
    with open("/proc/self/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024

before = anonymous()
begun = time.perf_counter()
sae = open_sae(sys.argv[1], device="cpu", mapped=sys.argv[2] == "mapped")
opened = time.perf_counter() - begun
held = anonymous() - before
x = torch.randn(int(sys.argv[3]), sae.config.d_in)
sae(x[:2])
begun = time.perf_counter()
sae(x)
whole = time.perf_counter() - begun
ids = torch.arange(8)
begun = time.perf_counter()
for row in x[:32]:
    sae.encode_some(row, ids), sae.directions(row, ids)
some = (time.perf_counter() - begun) / 32
print(json.dumps({"bytes": held, "open": opened, "whole": whole, "some": some}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--features", type=int, default=131_072)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    tensors = {
        "W_enc": torch.randn(args.width, args.features),
        "b_enc": torch.zeros(args.features),
        "W_dec": torch.randn(args.features, args.width),
        "b_dec": torch.zeros(args.width),
    }
    matrices = 2 * tensors["W_enc"].numel() * 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sae"
        write_saelens(path, tensors, architecture="standard", hook_point=None, model_name="", metadata={})
        tensors.clear()
        found: dict[str, list[dict[str, float]]] = {"held": [], "mapped": []}
        for _ in range(args.rounds):
            for how, runs in found.items():
                command = [sys.executable, "-c", _CHILD, str(path), how, str(args.tokens)]
                runs.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    middle = {
        how: {name: statistics.median(run[name] for run in runs) for name in runs[0]} for how, runs in found.items()
    }
    report = {
        "matrices_megabytes": round(matrices / 1e6),
        "private_memory_over_matrices": {how: round(each["bytes"] / matrices, 3) for how, each in middle.items()},
        "open_seconds": {how: round(each["open"], 2) for how, each in middle.items()},
        "time_mapped_over_held": {
            "encode and decode": round(middle["mapped"]["whole"] / middle["held"]["whole"], 2),
            "eight features": round(middle["mapped"]["some"] / middle["held"]["some"], 2),
        },
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
