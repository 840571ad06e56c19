"""Damaged fixtures: whatever happens to their bytes, a sentence or a valid SAE comes of it, and quickly."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae
from tests.core.saes.golden import GOLDEN, folders

FILES = sorted(
    path
    for name in folders()
    for path in (GOLDEN / name).iterdir()
    if path.is_file() and not path.name.startswith("golden_")
)

Cut = tuple[str, int, int, bytes]
cuts = st.lists(
    st.tuples(
        st.sampled_from(["overwrite", "insert", "delete", "truncate"]),
        st.one_of(st.integers(0, 600), st.integers(0, 12_000)),
        st.integers(1, 40),
        st.one_of(
            st.binary(min_size=1, max_size=12),
            st.sampled_from([b"null", b"[]", b"{}", b"-1", b"1e999", b'"', b"99999999999", b"NaN", b"true", b"F64"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


def cut(data: bytes, changes: list[Cut]) -> bytes:
    for how, at, length, new in changes:
        at %= len(data) + 1
        if how == "overwrite":
            data = data[:at] + new + data[at + len(new) :]
        elif how == "insert":
            data = data[:at] + new + data[at:]
        elif how == "delete":
            data = data[:at] + data[at + length :]
        else:
            data = data[:at]
    return data


def check(folder: Path) -> None:
    """Whatever `folder` is now, it is described in sentences, and opens as an SAE that computes or not at all."""
    found = identify(folder)
    assert found.kind in ("sae", "unknown", "model")
    assert all(problem.endswith(".") for problem in found.problems)
    with contextlib.suppress(UserError):
        sae = open_sae(folder, device="cpu")
        x = torch.randn(3, sae.config.d_in)
        assert sae.encode(x).shape == (3, sae.config.d_sae)
        assert sae(x).shape == (3, sae.config.d_out)


@settings(max_examples=120, deadline=5000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), cuts)
@example(GOLDEN / "sae_lens/topk/cfg.json", [("truncate", 0, 1, b"")])
def test_a_sentence_or_an_sae(file: Path, changes: list[Cut]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / file.parent.name
        shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns("golden_*"))
        (folder / file.name).write_bytes(cut(file.read_bytes(), changes))
        check(folder)


JSON_FILES = [path for path in FILES if path.suffix == ".json"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["topk", "gated", "jumprelu", "batchtopk", "matching_pursuit", "transcoder", "layer_norm", 8, 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=120, deadline=5000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(JSON_FILES), st.data())
def test_settings_of_any_type(file: Path, data: st.DataObject) -> None:
    content = json.loads(file.read_text())
    names = [*content, *(("metadata", name) for name in content.get("metadata", {}))]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        value = data.draw(json_values)
        if isinstance(name, tuple) and isinstance(content["metadata"], dict):
            content["metadata"][name[1]] = value
        elif isinstance(name, str):
            content[name] = value
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / file.parent.name
        shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns("golden_*"))
        (folder / file.name).write_text(json.dumps(content))
        check(folder)
