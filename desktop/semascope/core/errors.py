"""The one exception for people: a sentence that says what is wrong, and a hint that says what to do.

Whatever a user can cause (a wrong folder, a broken file, no memory, no space) ends as a `UserError`; both faces
show `sentence` and `hint` and never a traceback. Anything else that is raised is a fault of the program.
"""

from __future__ import annotations

import errno


class UserError(Exception):
    """Something the user can understand and mend.

    Attributes:
        sentence: One full sentence, ending in a full stop, that says what is wrong.
        hint: What to do about it, or "".
    """

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence, hint)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}".strip()


def from_os_error(error: OSError, doing: str) -> UserError:
    """The sentence for an operating-system error met while `doing` something ("write the harvest to /data")."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"Could not {doing}: the disk is full.", "Free some space or choose another place.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"Could not {doing}: no permission.", "Choose a place you may use, or change its permissions.")
    if error.errno == errno.ENOENT:
        return UserError(f"Could not {doing}: {error.filename or 'the file'} does not exist.", "Check the path.")
    if error.errno == errno.EFBIG:
        return UserError(
            f"Could not {doing}: the file would be larger than this system allows.", "Choose another place."
        )
    return UserError(f"Could not {doing}: {error.strerror or error}.")
