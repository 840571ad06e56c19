"""The SAEs that the engine holds: several at once, by fingerprint, one of them current. The lane's thread only.

Opening, rereading and closing them is here, and whether there is memory for another; what is computed with them is the
engine's. Each is kept with its settings as its files say them, since a reading is always on top of those.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from semascope.core.errors import UserError
from semascope.core.fit import fit
from semascope.core.models.hookpoint import hooks_text
from semascope.core.saes.kept import KeptReading
from semascope.core.saes.reading import Reading
from semascope.jobs.failure import free_memory
from semascope.jobs.infos import SAEInfo
from semascope.jobs.requests import OpenSAE

if TYPE_CHECKING:
    from semascope.core.models.model import LanguageModel
    from semascope.core.saes.config import SAEConfig
    from semascope.core.saes.sae import SAE


@dataclass(frozen=True)
class Held:
    """An open SAE.

    Attributes:
        sae: The SAE as it is read.
        given: Its settings as its files say them.
        request: How it was asked for, to open it again on another device.
        reading: What is changed about how it is read.
        remarks: Sentences about how that came to be.
    """

    sae: SAE
    given: SAEConfig
    request: OpenSAE
    reading: Reading = field(default_factory=Reading)
    remarks: tuple[str, ...] = ()

    @property
    def info(self) -> SAEInfo:
        """What the interface may know of it."""
        return sae_info(self)

    def reread(self, reading: Reading, remarks: tuple[str, ...] = ()) -> Held:
        """The same weights, read otherwise."""
        return replace(self, sae=self.sae.reread(reading.apply(self.given)), reading=reading, remarks=remarks)


class OpenSAEs:
    """See the module. They stand in the order they were opened in."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._current = ""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def infos(self) -> tuple[SAEInfo, ...]:
        return tuple(held.info for held in self._held.values())

    @property
    def current(self) -> Held | None:
        """The one that requests mean when they name none."""
        return self._held.get(self._current)

    def named(self, fingerprint: str) -> Held:
        """The open SAE with this fingerprint; the current one for "".

        Raises:
            UserError: It is not open.
        """
        held = self._held.get(fingerprint or self._current)
        if held is None:
            if fingerprint:
                raise UserError("This SAE is not open any more.", "Open it again.")
            raise UserError("No SAE is open.", "Open an SAE for this model first.")
        return held

    def use(self, fingerprint: str) -> SAEInfo | None:
        """Make an open SAE the current one, or none."""
        if not fingerprint:
            self._current = ""
            return None
        self._current = fingerprint if fingerprint in self._held else self._current
        return self.named(fingerprint).info

    def open(self, request: OpenSAE, model: LanguageModel | None) -> SAEInfo:
        """Open an SAE and take it in, see `requests.OpenSAE`.

        Raises:
            UserError: It is none, doesn't fit the model, or there is no memory for it.
        """
        held = self._load(request, model)
        fingerprint = held.sae.fingerprint
        self._held[fingerprint] = held  # in the place of the one before, if there was one
        if request.use or len(self._held) == 1:
            self._current = fingerprint
        free_memory()
        return held.info

    def reread(self, fingerprint: str, reading: Reading, model: LanguageModel | None) -> SAEInfo:
        """Read an open SAE otherwise.

        Raises:
            UserError: It isn't open, or doesn't fit the model that way; it stays as it was.
        """
        held = self.named(fingerprint).reread(reading, _today(reading))
        _check_fit(held, model)
        self._held[held.sae.fingerprint] = held
        return held.info

    def close(self, fingerprint: str = "") -> None:
        """Close one, or all; of those that are left the newest becomes current."""
        if fingerprint:
            self._held.pop(fingerprint, None)
        else:
            self._held.clear()
        if self._current not in self._held:
            self._current = next(reversed(self._held), "")

    def move_to(self, model: LanguageModel) -> None:
        """Keep those that fit a model, on its device; the others are closed."""
        device = str(model.device)
        for fingerprint, held in list(self._held.items()):
            try:
                _check_fit(held, model)
            except UserError:
                self.close(fingerprint)
                continue
            if str(held.sae.device) != device:
                self._take_along(fingerprint, held, model)

    def _take_along(self, fingerprint: str, held: Held, model: LanguageModel) -> None:
        """Open one again on the model's device; it is closed if it can't be."""
        self._held.pop(fingerprint)
        again = None
        with suppress(UserError):
            again = self._load(replace(held.request, kept={}), model)
        if again is not None:
            self._held[fingerprint] = again.reread(held.reading, held.remarks)
        elif self._current == fingerprint:
            self.close(fingerprint)

    def _load(self, request: OpenSAE, model: LanguageModel | None) -> Held:
        from semascope.core.saes.formats.detect import describe
        from semascope.core.saes.opening import open_sae

        device = str(model.device) if model is not None else "cpu"
        layout = describe(Path(request.path))
        if not (layout.mappable and request.mapped is not False):
            self._refuse_too_large(request, layout.config, device)
        sae = open_sae(request.path, device=device, dtype=request.dtype, mapped=request.mapped)
        return _as_chosen(Held(sae, sae.config, request), model)

    def _refuse_too_large(self, request: OpenSAE, config: SAEConfig, device: str) -> None:
        """Say so before loading when an SAE can't be in memory beside what is there.

        Raises:
            UserError: There is not enough free memory.
        """
        import torch

        from semascope.core.models.device import free_bytes
        from semascope.core.saes.memory import bytes_needed

        free = free_bytes(torch.device(device))
        if free is None:
            return
        path = Path(request.path)
        # One opened from the same place makes way for it.
        free += sum(held.info.bytes for held in self._held.values() if held.sae.path == path)
        needed = bytes_needed(config, _LONG_NAMES.get(request.dtype or "float32", request.dtype or "float32"))
        if needed > free:
            raise UserError(
                f"This SAE of {config.features:,} features needs {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free.",
                "Close another SAE first, or open this one as bfloat16.",
            )


_LONG_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp64": "float64"}


def _check_fit(held: Held, model: LanguageModel | None) -> None:
    """Refuse an SAE that can't belong to the model; one that names no hook point may, and a self-check can find it.

    Raises:
        UserError: It does not fit.
    """
    if model is not None and held.sae.config.reads:
        fit(model, held.sae)


def _as_chosen(held: Held, model: LanguageModel | None) -> Held:
    """`held` as its request says to read it, or else as was chosen before, where it fits the model that way.

    Raises:
        UserError: It does not fit the model.
    """
    request, kept = held.request, held.request.kept.get(held.sae.fingerprint)
    chosen = held.reread(request.reading, _today(request.reading)) if request.reading else held
    if not request.reading and kept is not None and kept.reading:
        chosen = held.reread(kept.reading, (kept.note,))
        with suppress(UserError):
            _check_fit(chosen, model)
            return chosen
        chosen = replace(held, remarks=(f"Before, it was read {kept.reading}, which {_name(model)} has no place for.",))
    _check_fit(chosen, model)
    return chosen


def _today(reading: Reading) -> tuple[str, ...]:
    """What to say of an SAE that somebody chose to read so just now."""
    note = KeptReading(reading, made=date.today().isoformat()).note
    return (note,) if note else ()


def _name(model: LanguageModel | None) -> str:
    return model.name if model is not None else "no model"


def sae_info(held: Held) -> SAEInfo:
    """What the interface may know of an SAE."""
    sae, config = held.sae, held.sae.config
    path = sae.path or Path()
    computes_in = str(sae.dtype).removeprefix("torch.")
    return SAEInfo(
        path=path,
        name=path.name,
        fingerprint=sae.fingerprint,
        format=config.format,
        architecture=config.architecture,
        hook_point=hooks_text(config.reads),
        hook_out=hooks_text(config.writes),
        d_in=config.d_in,
        d_out=config.d_out,
        d_sae=config.d_sae,
        problems=config.problems,
        notes=(*held.remarks, *config.notes),
        kind=config.kind,
        features=config.features,
        encoders=config.encoders,
        reads=tuple(map(str, config.reads)),
        writes=tuple(map(str, config.writes)),
        activation=config.activation,
        k=config.k,
        l0=config.l0,
        normalize=config.normalize,
        processing=config.processing,
        scale=config.scale,
        subtracts_b_dec=config.apply_b_dec_to_input,
        skip=config.skip,
        mask_first=config.mask_first,
        mask_ids=config.mask_ids,
        model_name=config.model_name,
        prepend_bos=config.prepend_bos,
        dtype=config.dtype,
        computes_in=computes_in,
        mapped=sae.mapped,
        bytes=_bytes(config, computes_in, sae.mapped),
        reading=held.reading,
    )


def _bytes(config: SAEConfig, dtype: str, mapped: bool) -> int:
    """The memory an open SAE takes: next to nothing but its vectors where its matrices stay in the file."""
    from semascope.core.saes.memory import BYTES, bytes_needed

    return 4 * config.features * BYTES[dtype] if mapped else bytes_needed(config, dtype)
