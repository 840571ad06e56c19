"""What the window may ask of the engine, and what comes back: frozen values of strings, numbers and numpy arrays only.

No torch here, and no work: `engine.Engine` answers. A request whose class says `long = True` is started and stepped (its
steps are `Progress`, or an update that carries one as `.progress`); any other is answered at once. Each request names its
answer in its docstring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from semascope.core.progress import Progress
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.core.steering.answer import Generation, Token
from semascope.core.steering.edits import Edit, Positions

Messages = tuple[tuple[str, str], ...]  # (role, content), oldest first


@dataclass(frozen=True)
class Request:
    """Base of all requests. `title` is what the list of jobs says."""

    long: ClassVar[bool] = False

    @property
    def title(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class OpenModel(Request):
    """Open a model folder or GGUF file in place of the present one → `ModelInfo`.

    SAEs that are open stay open if they fit the new model, and are closed otherwise (`Describe` tells). Takes seconds
    and has no steps; it counts as short so that what is asked after it is answered after it.
    """

    path: Path
    device: str | None = None
    dtype: str | None = None

    @property
    def title(self) -> str:
        return f"Open {Path(self.path).name}"


@dataclass(frozen=True)
class OpenSAE(Request):
    """Open an SAE beside those that are open → `SAEInfo`; the one of the same fingerprint, if any, makes way for it.

    Refused when it doesn't fit the model that is open, or not into the memory that is free. One whose hook point isn't known
    opens; a self-check may find it.

    Attributes:
        path: A folder or file of any release that is read.
        dtype: What it computes in, "float32" or "bfloat16"; None is float32.
        mapped: Whether its matrices stay in the file; None leaves them there when they are too large for the memory.
        reading: How to read it where its files don't say, or say wrongly; an empty one reads as `kept` says.
        kept: Ways of reading that were chosen before, by fingerprint.
        use: Whether it becomes the current one.
    """

    path: Path
    dtype: str | None = None
    mapped: bool | None = None
    reading: Reading = field(default_factory=Reading)
    kept: Mapping[str, KeptReading] = field(default_factory=dict, compare=False, repr=False)
    use: bool = True

    @property
    def title(self) -> str:
        return f"Open SAE {Path(self.path).name}"


@dataclass(frozen=True)
class RereadSAE(Request):
    """Read an open SAE otherwise than its files say → `SAEInfo`; its weights stay as they are, nothing is loaded.

    `reading` is whole by itself: it takes the place of the one before, and an empty one reads as the files say. Refused,
    and nothing changes, when the SAE does not fit the model that way.
    """

    sae: str
    reading: Reading

    @property
    def title(self) -> str:
        return "Read the SAE otherwise"


@dataclass(frozen=True)
class UseSAE(Request):
    """Make an open SAE the current one → `SAEInfo`; "" makes none current → None."""

    fingerprint: str


@dataclass(frozen=True)
class Close(Request):
    """Close the model, the SAEs or both and free their memory → `EngineInfo`.

    Attributes:
        model: Whether to close the model.
        sae: Whether to close SAEs.
        fingerprint: Of the one SAE to close; "" for all. One that isn't open is closed already.
    """

    model: bool = True
    sae: bool = True
    fingerprint: str = ""


@dataclass(frozen=True)
class Describe(Request):
    """→ `EngineInfo`."""


@dataclass(frozen=True)
class PromptFeatures(Request):
    """Run a text, or a chat through the model's own template → `core.activations.PromptActivations`.

    Attributes:
        text: The text, unless `messages` are given.
        messages: A chat; the template's marks appear as the special tokens that they are.
        ids: Only these features, which is cheaper; () for all, so that any feature and any token can be looked at
            without asking again.
        median: The median norm of the open harvest's sink rule, so that prompt and harvest call the same tokens
            sinks; None: what the SAE or else the prompt itself says.
        sae: Fingerprint of the open SAE to read with; "" for the current one, here and in the requests below.
    """

    text: str = ""
    messages: Messages = ()
    ids: tuple[int, ...] = ()
    median: float | None = None
    sae: str = ""

    @property
    def title(self) -> str:
        return "Read the prompt"


@dataclass(frozen=True)
class Generate(Request):
    """Answer a prompt twice, as the model is and with edits, from the same seed → `Generated` steps, then `Answers`.

    Attributes:
        prompt: The text to continue, or the user's message when `chat`.
        edits: In raw activation units; multiply a slider's strength by the feature's maximum first.
        temperature: 0 for the likeliest token every time.
        top_p: Sample from the smallest set of tokens that holds this much probability.
        positions: Which tokens are steered. Special tokens never are, unless `steer_special`.
    """

    long: ClassVar[bool] = True
    prompt: str
    edits: tuple[Edit, ...] = ()
    max_tokens: int = 48
    temperature: float = 0.7
    seed: int = 7
    chat: bool = True
    top_p: float = 1.0
    positions: Positions = "all"
    steer_special: bool = False
    sae: str = ""

    @property
    def title(self) -> str:
        return f"Answer “{self.prompt.strip()[:40]}”"


@dataclass(frozen=True)
class MeasureEffect(Request):
    """What the edits of a `Generate` did, in nats, beside a random push of equal norm → `core.steering.answer.Effect`.

    The SAE is that of `generate`.
    """

    long: ClassVar[bool] = True
    generate: Generate
    baseline_ids: tuple[int, ...]
    steered_ids: tuple[int, ...]

    @property
    def title(self) -> str:
        return "Measure the effect"


@dataclass(frozen=True)
class RunHarvest(Request):
    """Harvest corpus files with the open model and an open SAE into a new folder `out` → `core.harvest`'s `HarvestSummary`."""

    long: ClassVar[bool] = True
    corpus: tuple[Path, ...]
    out: Path
    tokens: int | None = None
    context: int = 128
    resume: bool = False
    sae: str = ""

    @property
    def title(self) -> str:
        return f"Harvest {', '.join(Path(path).name for path in self.corpus)}"


@dataclass(frozen=True)
class CheckSAE(Request):
    """Check on a few thousand tokens whether an open SAE is read rightly → `core.saes.checked.Check`.

    Attributes:
        sae: Its fingerprint; "" for the current one.
        corpus: Text to run the open model on.
        tokens: About how many tokens.
        alternatives: Whether to try other ways of reading it; None does when it looks implausible.
    """

    long: ClassVar[bool] = True
    sae: str
    corpus: tuple[Path, ...]
    tokens: int = 4096
    alternatives: bool | None = None

    @property
    def title(self) -> str:
        return "Check how the SAE is read"


@dataclass(frozen=True)
class Generated:
    """Both answers so far; one such step for every token of either."""

    baseline: str
    steered: str
    baseline_tokens: tuple[Token, ...]
    steered_tokens: tuple[Token, ...]
    progress: Progress


@dataclass(frozen=True, eq=False)
class Answers:
    """Both answers, finished.

    Attributes:
        baseline_activations, steered_activations: float32 (tokens of that answer, edits): what the edited features
            read on the answer's tokens, in the order of the request's edits, with no edit in place (under a clamp a
            feature has its clamped value everywhere, which shows nothing). Empty when there are no edits.
    """

    baseline: Generation
    steered: Generation
    baseline_activations: np.ndarray
    steered_activations: np.ndarray
