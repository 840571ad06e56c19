"""A harvest computed plainly, with transformers, numpy and loops, to hold ours against. Shares no code with the package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


@dataclass
class Plain:
    """Activations of every context, and which positions count: lists of (n, m) and (n,) arrays, with tokens and documents."""

    activations: list[np.ndarray]
    counted: list[np.ndarray]
    ids: list[list[int]]
    document: list[int]
    start: list[int]
    threshold: np.ndarray
    model: object
    decoder: np.ndarray


def plain_harvest(model_path: Path, sae_path: Path, corpus: Path, context: int = 128, layer: int = 15) -> Plain:
    """The small JumpReLU SAE on a corpus of JSON lines with a "text" each."""
    model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model_path)
    w = load_file(sae_path / "sae_weights.safetensors")
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    rows, ids, document, start = [], [], [], []
    for number, text in enumerate(texts):
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        for at in range(0, len(tokens), context):
            chunk = tokens[at : at + context]
            with torch.no_grad():
                hidden = model(torch.tensor([chunk]), output_hidden_states=True).hidden_states[layer + 1]
            rows.append(hidden[0].numpy())
            ids.append(chunk)
            document.append(number)
            start.append(at)
    norms = [np.linalg.norm(x, axis=1) for x in rows]
    median = np.median(np.concatenate(norms))
    counted = [n <= 4 * median for n in norms]
    activations = []
    for x in rows:
        before = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        activations.append(np.where(before > w["threshold"], np.maximum(before, 0), 0))
    return Plain(activations, counted, ids, document, start, w["threshold"], model, w["W_dec"])
