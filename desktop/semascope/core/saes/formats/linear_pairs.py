"""Two linear layers in one PyTorch file: Goodfire's SAEs of Llama 3, and qresearch's of DeepSeek-R1.

    f = relu(x W_enc + b_enc),   x̂ = f W_dec + b_dec

on the raw output of a block; nothing is subtracted or scaled. There are no settings: model and layer stand in the file's name
(Llama-3.1-8B-Instruct-SAE-l19.pth), and the two releases differ by the tensors' names.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from semascope.core.foreign.folder import Folder
from semascope.core.models.hookpoint import HookPoint
from semascope.core.saes.config import SAEConfig
from semascope.core.saes.formats.layout import Family, Layout, Stored, Table, measure, stored_dtype
from semascope.core.saes.formats.openmoss import above_checkpoints
from semascope.core.saes.formats.torch_weights import Found, files_with, last_match, one_of, prefixed, turned_by_shape
from semascope.core.saes.hooks import Place, place_problems


class _Release(NamedTuple):
    """One release: the names of its two layers, and the mean number of active features that its cards state, by model."""

    encoder: str
    decoder: str
    l0: dict[str, float]

    @property
    def table(self) -> Table:
        return {
            "W_enc": Stored(f"{self.encoder}.weight", ("m", "d_in")),
            "b_enc": Stored(f"{self.encoder}.bias", ("m",)),
            "W_dec": Stored(f"{self.decoder}.weight", ("d_in", "m")),
            "b_dec": Stored(f"{self.decoder}.bias", ("d_in",)),
        }


_GOODFIRE = _Release(
    "encoder_linear", "decoder_linear", {"Llama-3.1-8B-Instruct": 91.0, "Llama-3.3-70B-Instruct": 121.0}
)
_QRESEARCH = _Release("encoder", "decoder", {})
_OWNERS = {"Llama-": "meta-llama/", "DeepSeek-": "deepseek-ai/", "Qwen": "Qwen/", "gemma-": "google/"}


def _family(name: str, title: str, release: _Release, releases: tuple[str, ...]) -> Family:
    wanted = [stored.name for stored in release.table.values()]

    def files(folder: Folder) -> list[Found]:
        if folder.chosen is None and above_checkpoints(folder):  # Llama Scope's, whose settings are there
            return []
        return [
            file
            for file in files_with(folder, wanted)
            if len(folder.header(file.name)[file.prefix + wanted[0]].shape)
            == 2  # a crosscoder has a matrix for each layer
        ]

    def recognise(folder: Folder) -> str:
        found = files(folder)
        return f"{release.encoder}.weight and {release.decoder}.weight in {found[0].name}" if found else ""

    def members(folder: Folder) -> tuple[str, ...]:
        return tuple(file.name for file in files(folder))

    def describe(folder: Folder) -> Layout:
        file = one_of(folder, files(folder))
        return _describe(folder, file, name, release)

    return Family(
        name,
        title,
        recognise,
        describe,
        files=("*.pt", "*.pth", "*.bin"),
        members=members,
        releases=releases,
        rule=(
            f"A PyTorch file with {release.encoder}.weight and {release.decoder}.weight; the model and the layer stand in its"
            " name (…-SAE-l19). Nothing is subtracted or scaled."
        ),
    )


def _describe(folder: Folder, file: Found, family: str, release: _Release) -> Layout:
    header = folder.header(file.name)
    table = turned_by_shape(prefixed(release.table, file.prefix), header)
    lengths = measure(header, table, file.name)
    place, model = _place(folder, file.name)
    sae = SAEConfig(
        format=family,
        architecture="standard",
        activation="relu",
        d_in=lengths["d_in"],
        d_out=lengths["d_in"],
        d_sae=lengths["m"],
        reads=place.hooks,
        writes=place.hooks,
        model_name=model,
        l0=release.l0.get(model.rpartition("/")[2]),
        dtype=stored_dtype(header, table),
        problems=tuple(place_problems(place)),
    )
    path = folder.file(file.name)
    return Layout(sae, path, (path,), table)


def _place(folder: Folder, name: str) -> tuple[Place, str]:
    """The hook point and the model, by the file's name or else by its folders'."""
    stem = name.rsplit(".", 1)[0]
    named = re.search(r"(?P<model>.+?)[-_]SAEs?[-_](?:.*[-_])?l(?:ayer)?[-_]?(?P<layer>\d{1,3})(?!\d)", stem)
    numbered = named or last_match(
        r"(?:^|[-_/])l(?:ayer)?[-_]?(?P<layer>\d{1,3})(?=$|[-_/.])", f"{folder.path.name}/{stem}"
    )
    release = named or last_match(r"(?P<model>[^/]+?)[-_]SAE", folder.path.as_posix())
    model = release["model"] if release else ""
    model = next((owner for start, owner in _OWNERS.items() if model.startswith(start)), "") + model
    if numbered is None:
        return Place(
            None, f"Its name, {name[:80]}, does not say which layer's hook point it was made for (…-l19)."
        ), model
    return Place(HookPoint("resid_post", int(numbered["layer"]))), model


GOODFIRE = _family(
    "goodfire",
    "Goodfire",
    _GOODFIRE,
    ("Goodfire/Llama-3.1-8B-Instruct-SAE-l19", "Goodfire/Llama-3.3-70B-Instruct-SAE-l50"),
)
QRESEARCH = _family(
    "qresearch", "a pair of linear layers", _QRESEARCH, ("qresearch/DeepSeek-R1-Distill-Llama-8B-SAE-l19",)
)
