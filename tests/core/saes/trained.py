"""Real SAEs of tiny models: learned in a second on what the model really computes, so that reading them rightly matters."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from semascope.core.models.hookpoint import HookPoint, parse_hooks
from semascope.core.models.model import LanguageModel
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.sae import SAE

FEATURES = 192
_STEPS, _BATCH = 500, 256


def write_corpus(path: Path, documents: int = 60, length: int = 120, seed: int = 0) -> Path:
    """Words of random letters, one document a line: enough for tiny models, which know no language."""
    draw = torch.Generator().manual_seed(seed)
    lines = []
    for _ in range(documents):
        codes = torch.randint(97, 123, (length,), generator=draw)
        gaps = torch.rand(length, generator=draw) < 0.2
        lines.append(
            "".join(" " if gap else chr(code) for code, gap in zip(codes.tolist(), gaps.tolist(), strict=True))
        )
    path.write_text("\n".join('{"text": "' + line + '"}' for line in lines) + "\n")
    return path


def activations(model: LanguageModel, hook: str, corpus: Path, most: int = 6000) -> Tensor:
    """What the model computes at a hook point on a corpus, a context a document, first tokens left out."""
    rows = []
    for line in corpus.read_text().splitlines():
        ids = model.codec.encode(json.loads(line)["text"]).ids[: model.context]
        rows.append(model.run_to(parse_hooks(hook), torch.tensor([ids]))[0, 1:].float())
    return torch.cat(rows)[:most]


def learn(
    x: Tensor, target: Tensor | None = None, features: int = FEATURES, sparsity: float = 0.02
) -> dict[str, Tensor]:
    """A ReLU dictionary of x, or from x to `target`, by a few hundred steps of Adam."""
    torch.manual_seed(0)
    transcodes = target is not None
    target = x if target is None else target
    width, size = x.norm(dim=-1).mean(), target.norm(dim=-1).mean()  # learned at norms of about 1
    x, target = x / width, target / size
    decoder = torch.nn.functional.normalize(torch.randn(features, target.shape[-1]), dim=-1)
    encoder = torch.randn(x.shape[-1], features) / x.shape[-1] ** 0.5 if transcodes else decoder.T.clone()
    own = {"W_enc": encoder, "b_enc": torch.zeros(features), "W_dec": decoder, "b_dec": target.mean(dim=0)}
    for tensor in own.values():
        tensor.requires_grad_()
    optimiser = torch.optim.Adam(own.values(), lr=3e-3)
    draw = torch.Generator().manual_seed(1)
    for _ in range(_STEPS):
        rows = torch.randint(len(x), (_BATCH,), generator=draw)
        entered = x[rows] if transcodes else x[rows] - own["b_dec"]
        f = torch.relu(entered @ own["W_enc"] + own["b_enc"])
        x_hat = f @ own["W_dec"] + own["b_dec"]
        loss = (x_hat - target[rows]).square().sum(dim=-1).mean() + sparsity * f.sum(dim=-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    done = {name: tensor.detach() for name, tensor in own.items()}
    return {
        "W_enc": done["W_enc"] / width,
        "b_enc": done["b_enc"],
        "W_dec": done["W_dec"] * size,
        "b_dec": done["b_dec"] * size,
    }


def sae(tensors: dict[str, Tensor], hook: str, out: str = "", **changes: object) -> SAE:
    """An SAE of these tensors that says it reads at `hook`."""
    reads = (HookPoint.parse(hook),) if hook else ()
    settings: dict = {
        "format": "test",
        "architecture": "transcoder" if out else "standard",
        "activation": "relu",
        "kind": "transcoder" if out else "sae",
        "d_in": tensors["W_enc"].shape[0],
        "d_out": tensors["W_dec"].shape[1],
        "d_sae": len(tensors["W_dec"]),
        "reads": reads,
        "writes": (HookPoint.parse(out),) if out else reads,
        "apply_b_dec_to_input": not out,
    }
    return SAE(SAEConfig(**{**settings, **changes}), tensors)


def as_layers(learned: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Transcoders learned one by one, as the tensors of a set."""
    return {
        f"{name}.{e}{f'.{e}' if name == 'W_dec' else ''}": tensor
        for e, tensors in enumerate(learned)
        for name, tensor in tensors.items()
    }


def as_crosscoder(learned: dict[str, Tensor], places: int) -> dict[str, Tensor]:
    """A dictionary learned on several places side by side, as the tensors of a crosscoder, which subtracts nothing."""
    found = {"W_enc.0": learned["W_enc"], "b_enc.0": learned["b_enc"] - learned["b_dec"] @ learned["W_enc"]}
    for w, (decoder, bias) in enumerate(
        zip(learned["W_dec"].chunk(places, 1), learned["b_dec"].chunk(places), strict=True)
    ):
        found |= {f"W_dec.0.{w}": decoder, f"b_dec.{w}": bias}
    return found
