"""Every kind of corpus file, and what is none."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semascope.core.corpus.readers import Document, corpus_files, read_documents
from semascope.core.errors import UserError


def _texts(*paths: Path) -> list[str]:
    return [document.text for document in read_documents(paths)]


def test_plain_text_is_one_document(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("Grüße\n\nzweiter Absatz\n", encoding="utf-8")
    assert _texts(file) == ["Grüße\n\nzweiter Absatz\n"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_common_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("Ein schöner Tag im Café, lang genug, um Text zu sein.".encode(encoding))
    assert _texts(file) == ["Ein schöner Tag im Café, lang genug, um Text zu sein."]


def test_a_large_text_is_cut_at_line_ends_and_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "large.txt"
    text = "".join(f"line {i} of a large file\n" for i in range(120_000))
    file.write_text(text)
    pieces = _texts(file)
    assert len(pieces) > 1
    assert "".join(pieces) == text
    assert all(piece.endswith("\n") for piece in pieces)


def test_json_lines_with_texts_conversations_and_other_fields(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [{"text": "one"}, {"messages": chat}, {"id": "7", "story": "a longer field"}, "bare", {"text": "  "}]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    assert list(read_documents([file])) == [
        Document("a.jsonl:1", "one"),
        Document("a.jsonl:2", messages=(("user", "Hi"), ("assistant", "Hello"))),
        Document("a.jsonl:3", "a longer field"),
        Document("a.jsonl:4", "bare"),
    ]


def test_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('label,text\n1,"one, two"\n0,three\n')
    (tmp_path / "b.json").write_text(json.dumps([{"content": "four"}]))
    pq.write_table(pa.table({"text": ["five", None, "six"]}), tmp_path / "c.parquet")
    assert _texts(tmp_path / "a.csv", tmp_path / "b.json", tmp_path / "c.parquet") == [
        "one, two",
        "three",
        "four",
        "five",
        "six",
    ]


def test_a_folder_is_read_in_the_order_of_names_without_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "z.md").write_text("second")
    (tmp_path / "a.py").write_text("first")
    (tmp_path / "c.bin").write_bytes(bytes(range(256)) * 10)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden")
    assert _texts(tmp_path) == ["first", "second"]
    assert [file.name for file in corpus_files([tmp_path])] == ["a.py", "z.md", "c.bin"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", random.Random(0).randbytes(5000), "not text"),
        ("a.jsonl", b'{"text": "fine"}\n{"text": ', "Line 2 of a.jsonl is not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.parquet", b"PAR1 is not enough", "not a Parquet file"),
        ("empty.txt", b"", "no text"),
        ("a.jsonl", b'{"n": 3}\n', "no text"),
    ],
)
def test_rubbish_ends_in_a_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        _texts(tmp_path / name)


def test_a_missing_path_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no corpus"):
        _texts(tmp_path / "nothing")
