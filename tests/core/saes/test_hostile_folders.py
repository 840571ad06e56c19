"""The same misfortunes for every fixture of every family: each ends with a sentence, and no door is left open."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from semascope.core.errors import UserError
from semascope.core.identify import identify
from semascope.core.saes import open_sae, opening
from tests.core.saes.damage import WEIGHTS, below, check, copied, files, load, save
from tests.core.saes.golden import GOLDEN
from tests.core.saes.made import everything

Spoil = Callable[[Path], None]


def outside(path: Path) -> None:
    secret = Path(os.environ["SEMASCOPE_BASEDIR"]) / f"secret{path.suffix}"
    secret.unlink(missing_ok=True)
    path.rename(secret)
    path.symlink_to(secret)


def in_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def listening(path: Path) -> None:
    path.unlink()
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)  # an address has room for a hundred letters only
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def values(number: float) -> Spoil:
    """The first number of every matrix is another."""

    def spoil(path: Path) -> None:
        tensors = load(path)
        for holder, name in list(below(tensors)):
            tensor = holder[name].clone(memory_format=torch.contiguous_format)
            if tensor.is_floating_point() and tensor.dim() > 1:
                tensor.view(-1)[0] = number
            holder[name] = tensor
        save(path, tensors)

    return spoil


def whole_numbers(path: Path) -> None:
    tensors = load(path)
    for holder, name in list(below(tensors)):
        holder[name] = holder[name].to(torch.int32)
    save(path, tensors)


def no_tensors(path: Path) -> None:
    save(path, {"nothing": torch.zeros(1)})


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


FILES: dict[str, Spoil] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b"") and None,
    "zeros": lambda path: path.write_bytes(bytes(5000)) and None,
    "another format": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)) and None,
    "a link out of the folder": outside,
    "a link to itself": in_a_circle,
    "a pipe": pipe,
    "a socket": listening,
    "a device": device,
    "a folder": a_folder,
}
WEIGHT_FILES: dict[str, Spoil] = {
    **FILES,
    "cut short": cut_short,
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "NaN": values(float("nan")),
    "infinity": values(float("inf")),
    "whole numbers": whole_numbers,
    "other tensors": no_tensors,
}
SETTINGS_FILES: dict[str, Spoil] = {
    **FILES,
    "a list": lambda path: path.write_text("[]") and None,
    "an empty object": lambda path: path.write_text("{}") and None,
    "depth 10,000": lambda path: path.write_text('{"a": ' + "[" * 10_000 + "]" * 10_000 + "}") and None,
    "an object of depth 10,000": lambda path: path.write_text('{"a":' * 10_000 + "1" + "}" * 10_000) and None,
    "9 MB": lambda path: path.write_bytes(b" " * (9 << 20)) and None,
    "no text": lambda path: path.write_bytes(b"\xff\xfe\xff") and None,
    "a number of 5,000 digits": lambda path: path.write_text('{"k": ' + "9" * 5000 + "}") and None,
    "NaN": lambda path: path.write_text('{"k": NaN, "d_in": NaN, "layer": NaN}') and None,
    "a call": lambda path: path.write_text("!!python/object/apply:os.abort []") and None,
    "laughs": lambda path: path.write_text("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]") and None,
}


@pytest.mark.parametrize("name", everything())
def test_weights_that_are_none(name: str, tmp_path: Path) -> None:
    for number, (what, spoil) in enumerate(WEIGHT_FILES.items()):
        folder = copied(name, tmp_path / str(number))
        for path in files(folder, WEIGHTS):
            spoil(path)
        assert not check(folder), what
        found = identify(folder)
        assert found.problems or what in ("NaN", "infinity"), what


@pytest.mark.parametrize("name", everything())
def test_one_file_that_is_none(name: str, tmp_path: Path) -> None:
    """Of a folder with several; some can be done without."""
    for number, path in enumerate(files(copied(name, tmp_path / "whole"))):
        for what, spoil in (WEIGHT_FILES if path.suffix in WEIGHTS else SETTINGS_FILES).items():
            place = tmp_path / f"{number} {what}"
            folder = copied(name, place)
            spoil(place / path.relative_to(tmp_path / "whole"))
            check(folder)


@pytest.mark.parametrize("name", everything())
def test_chosen_files_and_what_lies_above(name: str, tmp_path: Path) -> None:
    """Whatever a person may drop on the window: the folder, a file of it, any folder above."""
    folder = copied(name, tmp_path)
    assert check(folder)
    for path in files(folder):
        check(path)
    for above in folder.parents:
        if above == tmp_path.parent:
            break
        check(above)


@pytest.mark.parametrize("name", everything())
def test_names_with_markup(name: str, tmp_path: Path) -> None:
    """Folders called anything a file system allows; the SAE is the same."""
    strange = ("<b>bold</b><img src=x>", "two\nlines\t\x1b[31m", "\u202egpj.eas\u2066", "%s{0}$HOME", "ü" * 100, "...")
    for part in strange:
        assert check(copied(name, tmp_path / part))


@pytest.mark.parametrize("name", everything())
def test_more_files_than_belong_there(name: str, tmp_path: Path) -> None:
    """Others lie beside it whose names look like its own, of every sort."""
    folder = copied(name, tmp_path)
    for other in (
        "model.safetensors",
        "pytorch_model.bin",
        "state.pt",
        "x_cfg.json",
        "layer0.sae.pt",
        "a.npz",
        "conf.yaml",
    ):
        if not (folder / other).exists():
            (folder / other).write_bytes(b"\x80\x02cos\nabort\n)R.")
    (folder / "a\x01b").write_bytes(b"")
    (folder / os.fsdecode(b"\xff\xfe.pt")).write_bytes(b"")
    check(folder)
    check(folder / os.fsdecode(b"\xff\xfe.pt"))


@pytest.mark.parametrize("name", everything())
@pytest.mark.parametrize("rest", [0, 200])
def test_files_that_shrink_while_they_are_read(
    name: str, rest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at their headers and the reading of their numbers."""
    folder = copied(name, tmp_path)

    def shrink(*_: object) -> str:
        for path in files(folder, WEIGHTS):
            os.truncate(path, min(rest, path.stat().st_size))
        return ""

    monkeypatch.setattr(opening, "fingerprint", shrink)
    with pytest.raises(UserError):
        open_sae(folder, device="cpu")


@contextlib.contextmanager
def nobody() -> Iterator[Path]:
    """A place that everyone may see, as someone who is not root."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(place)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.parametrize("name", everything())
def test_without_permission(name: str) -> None:
    check(GOLDEN / "sae_lens/gated")  # which imports what is needed, while that may be read
    mine = os.geteuid()
    with nobody() as place:
        other = os.geteuid()
        os.seteuid(mine)
        folder = copied(name, place)
        for path in files(folder):
            path.chmod(0)
        os.seteuid(other)
        assert not check(folder)
        os.seteuid(mine)
        folder.chmod(0)
        os.seteuid(other)
        assert not check(folder)
        assert not check(folder / "cfg.json")
        with pytest.raises(UserError, match="no permission"):
            open_sae(folder, device="cpu")


def test_paths_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    os.mkfifo(tmp_path / "pipe")
    for path in ("", "\0", "a\0b", "x" * 5000, "/" * 3000, "~nobody-of-that-name", tmp_path / "a_file/b", tmp_path / "pipe",
                 tmp_path / "a_file", tmp_path / ("y" * 300), tmp_path / "\ud800", "/dev/zero", "/dev/null"):  # fmt: skip
        if path != "":
            assert identify(path).problems
            with pytest.raises(UserError) as refused:
                open_sae(path, device="cpu")
            assert refused.value.sentence.endswith(".")
