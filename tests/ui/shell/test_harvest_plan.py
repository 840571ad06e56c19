"""What the harvest form says before anything starts: each impossible combination in one sentence, else the cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from semascope.jobs.infos import ModelInfo, SAEInfo
from semascope.ui.shell.harvest_plan import Plan, corpus_tokens, cost, problem

MODEL = ModelInfo(Path("m"), "tiny", "Llama", "f" * 64, 2, 64, 1000, 2048, "cpu", "float32", True)
SAE = SAEInfo(Path("s"), "s", "e" * 64, "saelens", "topk", "resid_post.1", "resid_post.1", 64, 64, 4096)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("word " * 10_000)
    return Plan((corpus,), None, 128, tmp_path / "harvest")


def test_a_possible_plan_has_no_problem_and_a_cost(plan: Plan) -> None:
    assert problem(plan, MODEL, SAE) == ""
    words = cost(plan, SAE, None)
    assert "12,000 tokens for 4,096 features" in words
    assert "memory" in words
    assert "disk" in words
    assert "after the first few seconds" in words
    assert "2 min at 100 tokens a second" in cost(plan, SAE, 100.0)


def test_each_impossible_combination_is_told(plan: Plan, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("x")
    cases = [
        (problem(plan, None, SAE), "a model"),
        (problem(plan, MODEL, None), "an SAE"),
        (problem(replace(plan, corpus=()), MODEL, SAE), "Choose what to read"),
        (problem(replace(plan, corpus=(tmp_path / "gone",)), MODEL, SAE), "nothing at"),
        (problem(replace(plan, context=4096), MODEL, SAE), "at most 2,048 tokens"),
        (problem(replace(plan, context=1), MODEL, SAE), "larger"),
        (problem(replace(plan, out=None), MODEL, SAE), "where to keep"),
        (problem(replace(plan, out=full), MODEL, SAE), "exists already"),
        (problem(plan, MODEL, replace(SAE, features=10**10)), "free"),
    ]
    for told, expected in cases:
        assert expected in told, told
        assert told.endswith(".")


def test_a_limit_caps_what_the_files_hold(plan: Plan) -> None:
    assert corpus_tokens(replace(plan, tokens=500)) == 500
    assert corpus_tokens(replace(plan, tokens=10**9)) == corpus_tokens(plan)
