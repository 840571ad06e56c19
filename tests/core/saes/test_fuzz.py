"""Damaged fixtures: whatever happens to their bytes, a sentence or a valid SAE comes of it, and quickly."""

from __future__ import annotations

import contextlib
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


@settings(max_examples=200, deadline=5000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), cuts)
@example(GOLDEN / "sae_lens/topk/cfg.json", [("truncate", 0, 1, b"")])
def test_a_sentence_or_an_sae(file: Path, changes: list[Cut]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / file.parent.name
        shutil.copytree(file.parent, folder, ignore=shutil.ignore_patterns("golden_*"))
        (folder / file.name).write_bytes(cut(file.read_bytes(), changes))
        found = identify(folder)
        assert found.kind in ("sae", "unknown", "model")
        assert all(problem.endswith(".") for problem in found.problems)
        with contextlib.suppress(UserError):
            sae = open_sae(folder, device="cpu")
            x = torch.randn(3, sae.config.d_in)
            assert sae.encode(x).shape == (3, sae.config.d_sae)
            assert sae(x).shape == (3, sae.config.d_out)
