"""Settings of strangers: JSON and YAML that mean what they say, or a sentence; nothing runs, grows or hangs."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import pytest

from semascope.core.errors import UserError
from semascope.core.foreign.fields import Fields
from semascope.core.foreign.folder import Folder

MB = 1 << 20


def read(tmp_path: Path, name: str, data: bytes) -> Fields:
    (tmp_path / name).write_bytes(data)
    folder = Folder(tmp_path)
    return folder.json(name) if name.endswith(".json") else folder.yaml(name)


JSON: dict[str, bytes] = {
    "objects of depth 10,000": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "lists of depth 10,000": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "depth 900": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "depth without end": b"[" * (7 * MB),
    "a number of 5,000 digits": b'{"a":' + b"1" * 5000 + b"}",
    "a number of 4,000 digits": b'{"a":[{"b":' + b"1" * 4000 + b"}]}",
    "no text": b'{"a":"\xff"}',
    "half a letter": b'{"a":["\\ud800"]}',
    "half a letter for a name": b'{"a":[{"\\udfff":1}]}',
    "two objects": b"{}{}",
    "a list": b"[]",
    "a text": b'"a"',
    "nothing": b"",
    "only a mark": b"\xef\xbb\xbf",
    "zeros": bytes(100),
    "9 MB": b" " * (9 * MB) + b"{}",
}
YAML: dict[str, bytes] = {
    "lists without end": b"[" * (MB // 5),
    "mappings without end": b"{a: " * (MB // 20),
    "dashes without end": b"- " * (MB // 10),
    "questions without end": b"? " * (MB // 10),
    "depth 100": b"a: " + b"[" * 100 + b"]" * 100,
    "a call": b"a: !!python/object/apply:os.mkdir [MARK]",
    "a call by name": b"a: !!python/name:os.mkdir",
    "a call with words": b"!!python/object/new:os.mkdir {args: [MARK]}",
    "a tag at the top": b"!!map {a: 1}",
    "a tag of one's own": b"%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.mkdir [MARK]",
    "a harmless tag": b"a: !!str 1",
    "an alias": b"a: &x [1]\nb: *x",
    "a billion laughs": b"a: &a [x,x]\n"
    + b"".join(b"%c: &%c [*%c,*%c]\n" % (i, i, i - 1, i - 1) for i in range(98, 120)),
    "an alias of itself": b"a: &a [*a]",
    "a merge of itself": b"a: &a\n  <<: *a",
    "a date that never was": b"a: 2020-13-45",
    "half a letter": b'a: "\\ud800"',
    "a letter beyond all": b'a: "\\UFFFFFFFF"',
    "a number of 5,000 digits": b"a: " + b"9" * 5000,
    "a number of 200,000 bits": b"a: 0b" + b"1" * 200_000,
    "a list for a name": b"? [1, 2]\n: 3",
    "a list": b"- 1",
    "a text": b"hello",
    "nothing": b"",
    "two documents": b"a: 1\n---\nb: 2",
    "no text": b"a: \xff",
    "a tab": b"a:\n\t- b: c",
    "a zero": b"a: \0",
    "many names": b"".join(b"k%d: 1\n" % i for i in range(26_000)),
    "many lines": b"\n" * (MB // 4),
    "300 kB": b"a: " + b"x" * 300_000,
}


@pytest.mark.parametrize("what", JSON)
def test_json_that_is_refused(what: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, "a.json", JSON[what])
    assert refused.value.sentence.startswith("a.json ")
    assert refused.value.sentence.endswith(".")


@pytest.mark.parametrize("what", YAML)
def test_yaml_that_is_refused(what: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    begun = time.process_time()
    with pytest.raises(UserError) as refused:
        read(tmp_path, "a.yaml", YAML[what].replace(b"MARK", os.fsencode(mark)))
    assert time.process_time() - begun < 10  # seconds; two on an ordinary machine
    assert not mark.exists()
    assert refused.value.sentence.startswith("a.yaml ")
    assert len(refused.value.sentence) < 100


def test_json_as_python_writes_it(tmp_path: Path) -> None:
    found = read(tmp_path, "a.json", '\ufeff{"a": NaN, "b": [Infinity], "c": {"d": 1}, "c": {"d": "é"}}'.encode())
    assert math.isnan(found.content["a"])
    assert found.section("c").text("d") == "é"
    with pytest.raises(UserError, match="where a number belongs"):
        found.number("a", 0.0)


def test_yaml_gives_json_s_types(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "a.yaml",
        b"a: {b: [1, 2.5, yes, null, 'x']}\n8: {9: z}\nd: 2026-11-22\nt: 2026-11-22 10:00:00\na1: .inf",
    )
    assert found.content == {
        "a": {"b": [1, 2.5, True, None, "x"]}, "8": {"9": "z"}, "d": "2026-11-22", "t": "2026-11-22T10:00:00",
        "a1": math.inf,
    }  # fmt: skip
    assert read(tmp_path, "a.yaml", b"a: 1\na: 2").whole("a") == 2
    assert read(tmp_path, "a.yaml", "k: ü".encode("utf-16")).text("k") == "ü"
    assert read(tmp_path, "a.yaml", "k: ü".encode("utf-8-sig")).text("k") == "ü"


def test_a_refusal_is_remembered(tmp_path: Path) -> None:
    """Many families ask the same; the second answer is the first."""
    (tmp_path / "a.json").write_bytes(b"[")
    folder = Folder(tmp_path)
    for _ in range(2):
        with pytest.raises(UserError, match="not valid JSON"):
            folder.json("a.json")
        (tmp_path / "a.json").write_bytes(b"{}")
    assert Folder(tmp_path).json("a.json").content == {}
