"""How much of its floor a harvest reaches: tokens a second against the model up to the hook point plus the same encode.

    .venv/bin/python tests/benchmarks/harvest_throughput.py [--features 8192] [--rounds 80] [--profile]

Both run in this process, by turns of a few thousand tokens, and are timed by the processor time they take, so that whatever else
the machine does disturbs neither. The floor runs full contexts of 128 tokens in batches of the harvest's own size and keeps
nothing. Prints one JSON document; the goal is a ratio of at least 0.95 at the demo's size. Reading, tokenising, padding,
folding and checkpoints all count for the harvest.

A harvest is at its slowest in its first tokens, when nearly every example is a new one to keep. Their turns are a small part of
a harvest of the demo's size and all of this benchmark's, so they are told apart: `ratio_early` is of the first turns,
`ratio_later` of the others, and `ratio` what both come to over as many tokens as the demo's harvest has.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from semascope import paths
from semascope.core.corpus.contexts import cut_contexts
from semascope.core.corpus.readers import read_documents
from semascope.core.harvest.run import harvest
from semascope.core.harvest.settings import tile_tokens
from semascope.core.models.hookpoint import HookPoint
from semascope.core.models.model import LanguageModel
from semascope.core.models.open import open_model
from semascope.core.saes import open_sae
from semascope.core.saes.sae import SAE
from semascope.core.saes.save import write_saelens

HOOK = HookPoint("resid_post", 15)
CONTEXT = 128
L0 = 40
TURN = 1024
EARLY = 30  # turns
DEMO_TOKENS = 718_319


def make_sae(model: LanguageModel, ids: torch.Tensor, features: int, folder: Path) -> SAE:
    """A JumpReLU SAE whose directions are mixtures of real residuals, with about `L0` features active on a token."""
    x = torch.cat([model.run_to(HOOK, batch)[:, 1:].flatten(0, 1).float() for batch in ids.split(8)])
    random = torch.Generator().manual_seed(0)
    mean = x.mean(0)
    one, other = (x[torch.randint(len(x), (features,), generator=random)] - mean for _ in range(2))
    decoder = torch.nn.functional.normalize(one + 0.5 * other, dim=1)
    before = (x - mean) @ decoder.T
    threshold = before.quantile(1 - L0 / features, dim=0).clamp(min=0)
    tensors = {
        "W_enc": decoder.T,
        "b_enc": torch.zeros(features),
        "W_dec": decoder,
        "b_dec": mean,
        "threshold": threshold,
    }
    write_saelens(folder, tensors, architecture="jumprelu", hook_point=HOOK, model_name=model.name, metadata={})
    return open_sae(folder, device="cpu")


class Floor:
    """The model up to the hook point and the encoder, over the same text for ever."""

    def __init__(self, model: LanguageModel, sae: SAE, ids: torch.Tensor, rows: int) -> None:
        self._model, self._sae = model, sae
        self._batches = ids.split(rows)
        self._at = 0

    def run(self, tokens: int) -> float:
        """Seconds of the processor for a token, over about `tokens` tokens."""
        done = 0
        begun = time.process_time()
        with torch.inference_mode():
            while done < tokens:
                batch = self._batches[self._at % len(self._batches)]
                self._sae.encode(self._model.run_to(HOOK, batch).flatten(0, 1))
                done += batch.numel()
                self._at += 1
        return (time.process_time() - begun) / done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--dtype", default="bf16")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    model_path = paths.demo_model()
    if model_path is None:
        raise SystemExit("The demo's model is not here: run packaging/demo once.")
    corpus = paths.resources_dir() / "demo" / "corpus" / "sample.jsonl"
    model = open_model(model_path, device="cpu", dtype=args.dtype)
    contexts = cut_contexts(read_documents([corpus]), model.codec, CONTEXT, prepend_bos=False)
    full = np.stack([context.ids for context in contexts if len(context.ids) == CONTEXT][:128])
    ids = torch.from_numpy(full).long()
    tile = tile_tokens("cpu", str(model.dtype).removeprefix("torch."), torch.get_num_threads(), None)

    with tempfile.TemporaryDirectory() as folder:
        sae = make_sae(model, ids[:48], args.features, Path(folder) / "sae")
        floor = Floor(model, sae, ids, max(1, tile // CONTEXT))
        out = Path(folder) / "harvest"
        # No more text than is harvested here, or the reading of the rest would be charged to it.
        limit = args.rounds * (TURN + tile) + 2 * tile
        job = harvest(model, sae, [corpus], out, tokens=limit, context=CONTEXT, batch_tokens=TURN)
        profile = cProfile.Profile()
        ours, theirs = [], []
        done = 0
        floor.run(TURN)
        for _ in range(args.rounds):
            theirs.append(floor.run(TURN))
            begun, before = time.process_time(), done
            if args.profile:
                profile.enable()
            while done - before < TURN:
                progress = next(job)
                done = max(done, progress.done)
            profile.disable()
            ours.append((time.process_time() - begun) / (done - before))
        job.close()
    if args.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
    mean = statistics.mean
    # Each part against the turns of the floor that it took turns with, so that a slow minute of the machine cancels.
    early, later = (mean(theirs[part]) / mean(ours[part]) for part in (slice(EARLY), slice(EARLY, None)))
    share = EARLY * TURN / DEMO_TOKENS
    print(
        json.dumps(
            {
                "features": args.features,
                "dtype": args.dtype,
                "threads": torch.get_num_threads(),
                "ratio": round(1 / (share / early + (1 - share) / later), 4),
                "ratio_early": round(early, 4),
                "ratio_later": round(later, 4),
                "ratio_of_medians": round(statistics.median(theirs) / statistics.median(ours), 4),
                "harvest_us_per_token": round(1e6 * mean(ours[EARLY:]), 1),
                "floor_us_per_token": round(1e6 * mean(theirs[EARLY:]), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
