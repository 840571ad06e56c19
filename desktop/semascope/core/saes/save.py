"""Writing SAEs as SAELens native folders (version 6): `cfg.json` beside `sae_weights.safetensors`.

The one format Semascope writes, for dictionaries it trains and for those it converts. A folder appears whole or not at
all. What an SAE computes is in `sae`; reading the same folders back is in `formats.saelens`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from semascope import __version__
from semascope.core.atomic import atomic_folder
from semascope.core.errors import UserError, from_os_error
from semascope.core.models.hookpoint import HookPoint, hooks_text
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.facts import KEY, facts
from semascope.core.saes.glu import GluSAE
from semascope.core.saes.hooks import transformer_lens_name
from semascope.core.saes.layered import LayeredSAE
from semascope.core.saes.sae import SAE
from semascope.core.saes.temporal import TemporalSAE

CONFIG_FILE = "cfg.json"
WEIGHTS_FILE = "sae_weights.safetensors"

SAELENS_VERSION = "6.54.12"
"""The SAELens whose layout is written; without a version in its config SAELens takes a folder for a legacy one."""


def write_saelens(
    folder: Path,
    tensors: Mapping[str, Tensor],
    *,
    architecture: str,
    hook_point: HookPoint | None,
    model_name: str,
    metadata: Mapping[str, Any],
    dtype: str = "float32",
    hook_out: HookPoint | None = None,
    apply_b_dec_to_input: bool = True,
    normalize: str = "none",
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write one SAE as a SAELens v6 folder.

    Args:
        folder: The folder to make; it must not exist or be empty.
        tensors: By SAELens' names and shapes: W_enc (d_in, m), b_enc (m,), W_dec (m, d_out), b_dec (d_out,), and
            threshold (m,) for jumprelu; b_gate, b_mag and r_mag (m,) for gated; W_skip (d_out, d_in) for skip ones.
        architecture: SAELens' name: "standard", "jumprelu", "topk", "gated", "transcoder", …
        hook_point: Where activations are read.
        model_name: The model they came from.
        metadata: What else to tell a reader (prepend_bos, context_size, what it was trained on); plain JSON values.
        dtype: How the tensors are stored: "float32", "bfloat16" or "float16".
        hook_out: Where a transcoder's output belongs.
        apply_b_dec_to_input: Whether encoding subtracts b_dec first (a transcoder never does).
        normalize: SAELens' `normalize_activations`.
        options: Further top-level settings of the architecture, such as {"k": 32}.

    Raises:
        UserError: The folder is not empty, or the disk is full or not writable.
    """
    stored = {name: tensor.detach().to("cpu", getattr(torch, dtype)).contiguous() for name, tensor in tensors.items()}
    d_sae, d_out = stored["W_dec"].shape
    d_in = stored["W_enc"].shape[0] if "W_enc" in stored else d_out
    config = {
        "architecture": architecture,
        "d_in": d_in,
        "d_sae": d_sae,
        **({"d_out": d_out} if "transcoder" in architecture else {}),
        "dtype": dtype,
        "device": "cpu",
        "apply_b_dec_to_input": apply_b_dec_to_input and "transcoder" not in architecture,
        "normalize_activations": normalize,
        "reshape_activations": "none",
        **(options or {}),
        "metadata": _about(metadata, model_name, hook_point, hook_out),
    }
    _write(folder, stored, config)


def _about(
    metadata: Mapping[str, Any], model_name: str, hook_point: HookPoint | None, hook_out: HookPoint | None
) -> dict[str, Any]:
    """What `cfg.json` says about model and hook point."""
    return {
        **metadata,
        "sae_lens_version": SAELENS_VERSION,
        "model_name": model_name,
        "hook_name": transformer_lens_name(hook_point) if hook_point else None,
        **({"hook_name_out": transformer_lens_name(hook_out)} if hook_out and hook_out != hook_point else {}),
        "written_by": f"semascope {__version__}",
    }


def _write(folder: Path, stored: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Write the two files, both or none."""
    check_place(folder, sum(tensor.nbytes for tensor in stored.values()))
    try:
        with atomic_folder(folder) as beside:
            save_file(dict(stored), beside / WEIGHTS_FILE)
            (beside / CONFIG_FILE).write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, f"write the SAE to {folder}") from error
    except SafetensorError as error:  # which also stands for a disk that became full
        raise UserError(
            f"Could not write the SAE to {folder}: {error}.", "Make room, or choose another place."
        ) from error


def check_place(folder: Path, size: int = 0) -> None:
    """Refuse what can't be written, before any of it is.

    Args:
        folder: The folder to make.
        size: Bytes that will be written.

    Raises:
        UserError: There is something already, or no room.
    """
    there = folder
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} already exists.", "Choose a new or empty folder.")
        while not there.exists():
            there = there.parent
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise from_os_error(error, f"write the SAE to {folder}") from error
    if size > free:
        raise UserError(
            f"The SAE takes {size / 1e9:.1f} GB of disk at {there}, and {free / 1e9:.1f} GB are free.",
            "Make room, or choose another place.",
        )


def save_saelens(sae: SAE, folder: Path, *, dtype: str = "") -> None:
    """Write an SAE of any release as a SAELens folder that `open_sae` reads back to the same numbers.

    SAELens reads it too where it has such an architecture; of the others (a top-k transcoder, groupmax) it refuses the name.

    Args:
        sae: The SAE.
        folder: The folder to make; it must not exist or be empty.
        dtype: "float32", "bfloat16" or "float16"; "" for that in which it came, where that loses nothing.

    Raises:
        UserError: The folder is not empty, or the disk is full or not writable.
    """
    config = sae.config
    if isinstance(sae, LayeredSAE):
        _save_layers(sae, folder, dtype)
        return
    tensors, options = _stored(sae)
    write_saelens(
        folder,
        tensors,
        architecture=config.architecture,
        hook_point=config.hook_point,
        hook_out=config.hook_out,
        model_name=config.model_name,
        metadata={"prepend_bos": config.prepend_bos, **facts(config)},
        dtype=dtype or _dtype(config.dtype, tensors),
        apply_b_dec_to_input=config.apply_b_dec_to_input,
        normalize=options.pop("normalize_activations", config.normalize),
        options=options,
    )


def _save_layers(sae: LayeredSAE, folder: Path, dtype: str) -> None:
    """Write a dictionary of several hook points, all of which go into the metadata; SAELens refuses its architecture."""
    config, tensors = sae.config, sae.tensors()
    dtype = dtype or _dtype(config.dtype, tensors)
    known = facts(config)
    places = {"reads": hooks_text(config.reads), "writes": hooks_text(config.writes)}
    known[KEY] |= {name: text for name, text in places.items() if text}
    _write(
        folder,
        {name: tensor.detach().to("cpu", getattr(torch, dtype)).contiguous() for name, tensor in tensors.items()},
        {
            "architecture": config.architecture,
            "d_in": config.d_in,
            "d_sae": config.d_sae,
            "d_out": config.d_out,
            "encoders": config.encoders,
            "places": config.places,
            **({} if config.k is None else {"k": config.k}),
            "dtype": dtype,
            "device": "cpu",
            "apply_b_dec_to_input": False,
            "normalize_activations": config.normalize,
            "metadata": _about(
                {"prepend_bos": config.prepend_bos, **known}, config.model_name, config.hook_point, config.hook_out
            ),
        },
    )


def _stored(sae: SAE) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of an SAE by SAELens' names, and the settings of its architecture."""
    config = sae.config
    tensors = {"W_dec": sae.W_dec, "b_dec": sae.b_dec, **sae.activation.parameters}
    options: dict[str, Any] = {"reshape_activations": "hook_z"} if config.heads else {}
    if config.pursuit is not None:
        options["max_iterations"] = config.pursuit.iterations
        options["residual_threshold"] = config.pursuit.residual
        options["stop_on_duplicate_support"] = config.pursuit.on_repeat
        return tensors, options
    if config.temporal is not None and isinstance(sae, TemporalSAE):
        tensors |= sae.attention if config.temporal.tied else {**sae.attention, "W_enc": sae.W_enc}
        return tensors, options | _temporal_options(config, sae.attention)
    tensors["W_enc"] = sae.W_enc
    if config.activation != "gated":
        tensors["b_enc"] = sae.b_enc
    if isinstance(sae, GluSAE):
        tensors |= {"W_glu": sae.W_glu, "b_glu": sae.b_glu}
    if sae.W_skip is not None:
        tensors["W_skip"] = sae.W_skip.T
    if config.k is not None:
        options |= {"k": config.k, "rescale_acts_by_decoder_norm": False}
    return tensors, options


def _temporal_options(config: SAEConfig, attention: Mapping[str, Tensor]) -> dict[str, Any]:
    """A temporal SAE's settings, as SAELens calls them."""
    settings = config.temporal
    assert settings is not None
    first = attention.get("attn_layers.0.k_ctx.weight")
    return {
        "n_heads": settings.heads,
        "n_attn_layers": sum(name.endswith("k_ctx.weight") for name in attention),
        "bottleneck_factor": 1 if first is None else config.d_sae // len(first),
        "sae_diff_type": "relu" if config.k is None else "topk",
        "kval_topk": config.k,
        "tied_weights": settings.tied,
        **(
            {"normalize_activations": "constant_scalar_rescale", "activation_normalization_factor": settings.factor}
            if settings.factor != 1.0
            else {}
        ),
    }


def _dtype(dtype: str, tensors: Mapping[str, Tensor]) -> str:
    """The dtype an SAE came in, where its tensors still have no more than that; otherwise float32."""
    narrow = getattr(torch, dtype, torch.float32)
    if narrow not in (torch.bfloat16, torch.float16):
        return "float32"
    return dtype if all(_equal(tensor, narrow) for tensor in tensors.values()) else "float32"


def _equal(tensor: Tensor, narrow: torch.dtype) -> bool:
    """Whether every number of a tensor is one of `narrow` too; a few rows at a time."""
    return tensor.dtype == narrow or all(
        torch.equal(part.to(narrow).to(part.dtype), part) for part in torch.split(tensor, 1 << 14)
    )
