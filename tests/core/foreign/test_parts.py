"""Single numbers without torch, settings in a file's first line, and names of parts of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.foreign.folder import Folder
from semascope.core.foreign.parts import is_there, part_of
from semascope.core.foreign.settings import read_json_line
from semascope.core.foreign.torch_files import torch_file

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int8,
    torch.uint8,
]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_is_torch_s(dtype: torch.dtype, zipped: bool, tmp_path: Path) -> None:
    values = torch.tensor([1.5, 200.0, 3.25] if dtype.is_floating_point else [1, 100, 3]).to(dtype)
    saved = {"one": values[1].clone(), "view": values[2], "row": values[:1], "many": values}
    torch.save(saved, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    file = torch_file(tmp_path / "a.pt")
    for name in ("one", "view", "row"):
        assert file.number(name) == float(saved[name])
    assert (file.number("many"), file.number("absent")) == (None, None)


def test_settings_in_a_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b'{"schema": 5}\nPK\x03\x04')
    fields, length = read_json_line(path, "a.pt")
    assert (fields.whole("schema"), length) == (5, 14)
    for data, why in ((b'{"schema": 5}', "line of JSON"), (b"{\n", "not valid JSON"), (b"3\n", "not a JSON object")):
        path.write_bytes(data)
        with pytest.raises(UserError, match=why):
            read_json_line(path, "a.pt")


def test_parts(tmp_path: Path) -> None:
    (tmp_path / "a.pt").touch()
    (tmp_path / "b#c.pt").touch()
    (tmp_path / "d").mkdir()
    assert part_of(tmp_path / "a.pt#x#y") == (tmp_path / "a.pt", "x#y")
    for whole in ("a.pt", "a.pt#", "b#c.pt", "d#x", "#x", "absent#x"):
        assert part_of(tmp_path / whole) == (tmp_path / whole, "")
    there = {
        name: is_there(tmp_path / name) for name in ("a.pt", "a.pt#x", "b#c.pt", "d", "d#x", "absent#x", "x" * 5000)
    }
    assert [name for name, is_so in there.items() if is_so] == ["a.pt", "a.pt#x", "b#c.pt", "d"]
    folder = Folder(tmp_path / "a.pt#x")
    assert (folder.path, folder.chosen, folder.part) == (tmp_path, "a.pt", "x")
