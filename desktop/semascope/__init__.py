"""Semascope: a desktop microscope for the concepts inside local AI models.

Importing the package is instant and touches neither torch, transformers nor Qt.
"""

import os

__version__ = "0.1.0"

# No network at run time, ever: whatever a library would ask a hub for, it is told that there is none.
for _name in (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
):
    os.environ[_name] = "1"
os.environ["TQDM_DISABLE"] = "1"  # libraries' progress bars: we show our own
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

# torch's threads sleep while they wait for each other. By default they spin, and on a machine whose cores are busy with
# anything else that makes a forward pass tens of times slower; an idle machine hardly notices. Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
