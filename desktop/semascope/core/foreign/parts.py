"""FILE#PART: the name of one of several SAEs in a file, where a release keeps those of several hook points together.

It goes wherever a path goes; only whether it is there is another question than that of a path.
"""

from __future__ import annotations

from pathlib import Path


def part_of(path: Path) -> tuple[Path, str]:
    """The file and the part that a path names; all of it ("") of one without a part, or that is called so as a whole.

    Raises:
        OSError: The file system can't have such a name.
    """
    name, _, part = path.name.partition("#")
    if not name or not part or path.exists():
        return path, ""
    file = path.with_name(name)
    return (file, part) if file.is_file() else (path, "")


def is_there(path: Path) -> bool:
    """Whether there is a file or folder at `path`, or the file that it names a part of."""
    try:
        return part_of(path)[0].exists()
    except (OSError, ValueError):
        return False
