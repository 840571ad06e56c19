"""Open a model from a local `transformers` folder (safetensors) or a GGUF file. Runs no code of the folder's, asks no hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from semascope.core.errors import UserError
from semascope.core.fingerprint import fingerprint
from semascope.core.models.describe import TOKENIZER_FILES
from semascope.core.models.device import choose_device, choose_dtype
from semascope.core.models.model import LanguageModel
from semascope.core.models.text import TextCodec


def open_model(path: str | Path, device: str | None = None, dtype: str | None = None) -> LanguageModel:
    """Load a language model.

    Args:
        path: A folder with `config.json`, a tokenizer and safetensors weights; or a GGUF file.
        device: `cpu`, `cuda`, `mps`; None chooses.
        dtype: `bf16`, `fp16`, `fp32`; None chooses what is fast on the device.

    Raises:
        UserError: It is no such model, is broken, does not fit in memory, or would need its own code to run.
    """
    path = Path(path).expanduser()
    where = choose_device(device)
    what = choose_dtype(dtype, where)
    gguf = path.is_file() and path.suffix.lower() == ".gguf"
    if not gguf:
        _check_folder(path)
    module, tokenizer = _load(path, gguf, what)
    try:
        module = module.to(where)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"{path.name} does not fit in the memory of {where}.", "Choose another device or bf16."
        ) from error
    module.eval().requires_grad_(False)
    generation = getattr(module, "generation_config", None)
    eos = getattr(generation, "eos_token_id", None)
    eos_ids = [] if eos is None else [eos] if isinstance(eos, int) else list(eos)
    # The weights alone say which model this is: config.json is rewritten by every release of transformers that saves it.
    files = [path] if gguf else list(path.glob("*.safetensors"))
    return LanguageModel(module, TextCodec(tokenizer, eos_ids), path, fingerprint(files))


def _check_folder(path: Path) -> None:
    """Say what is missing before anything is loaded."""
    if not path.exists():
        raise UserError(f"There is nothing at {path}.", "Check the path.")
    if not path.is_dir():
        raise UserError(f"{path.name} is not a model.", "Choose a model's folder, or a .gguf file.")
    if not (path / "config.json").is_file():
        raise UserError(f"{path} is not a model: it has no config.json.", "Choose the folder that holds config.json.")
    if not any(path.glob("*.safetensors")):
        older = any(path.glob("*.bin")) or any(path.glob("*.pt")) or any(path.glob("*.pth"))
        raise UserError(
            f"The model in {path.name} has no safetensors weights.",
            "Pickled weights can run code and are not opened: convert the model to safetensors."
            if older
            else "Copy them too.",
        )
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise UserError(
            f"The model in {path.name} has no tokenizer.",
            "Copy the model's tokenizer files (tokenizer.json) into its folder.",
        )


def _load(path: Path, gguf: bool, dtype: torch.dtype) -> tuple[Any, Any]:
    """The transformers model and tokenizer, on the CPU."""
    import transformers  # here, because the import takes seconds and most commands never need it

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    folder = path.parent if gguf else path
    common: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if gguf:
        common["gguf_file"] = path.name
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **common)
        config._attn_implementation = None  # what the model's own code chooses, whatever a folder may ask to be fetched
        seeing = getattr(config, "vision_config", None) is not None
        factory = transformers.AutoModelForImageTextToText if seeing else transformers.AutoModelForCausalLM
        weights = {} if gguf else {"use_safetensors": True, "output_loading_info": True}
        loaded = factory.from_pretrained(folder, config=config, dtype=dtype, **weights, **common)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **common)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(
            f"There is not enough memory to load {path.name}.", "Close other programs or choose bf16."
        ) from error
    except UserError:
        raise
    except Exception as error:
        if "Unrecognized configuration class" in str(error):
            raise UserError(
                f"{path.name} is not a language model: it is of the type {config.model_type}.",
                "Open a decoder-only language model, or one that reads images too, such as Gemma 3 or Qwen3-VL.",
            ) from error
        raise UserError(
            f"{path.name} could not be opened: {_reason(error)}", "Check that the folder is complete."
        ) from error
    if gguf:
        return loaded, tokenizer
    module, info = loaded
    missing = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
    if missing:
        raise UserError(
            f"The weights of {path.name} are incomplete: {missing[0]} and {len(missing) - 1} more are missing or misshapen.",
            "Copy the whole model again.",
        )
    return module, tokenizer


def _reason(error: Exception) -> str:
    """The first line of a library's complaint, as the end of a sentence."""
    text = str(error).strip().splitlines()
    if "trust_remote_code" in str(error):
        return "it needs code of its own, which is never run."
    first = (text[0] if text else type(error).__name__)[:200].rstrip(" .:,")
    return f"{first}."
