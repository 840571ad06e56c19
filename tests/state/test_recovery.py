"""A run that was killed leaves a trace, and only that one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from semascope.state.recovery import Recovery

_KILLED = """
import os, signal, sys
from pathlib import Path
from semascope.state.recovery import Recovery
Recovery(Path(sys.argv[1])).working_on(Path(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_found_once(tmp_path: Path) -> None:
    session = tmp_path / "work.semascope"
    session.write_bytes(b"x")
    folder = tmp_path / "running"
    subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(session)], check=False)
    assert Recovery(folder).left_behind() == session
    assert Recovery(folder).left_behind() is None


def test_a_run_that_goes_on_or_ended_well_is_not_found(tmp_path: Path) -> None:
    session = tmp_path / "work.semascope"
    session.write_bytes(b"x")
    own = Recovery(tmp_path / "running")
    own.working_on(session)
    assert Recovery(tmp_path / "running").left_behind() is None, "this process is alive"
    own.ended_well()
    assert list((tmp_path / "running").iterdir()) == []


def test_a_session_that_is_gone_is_not_offered(tmp_path: Path) -> None:
    folder = tmp_path / "running"
    subprocess.run([sys.executable, "-c", _KILLED, str(folder), str(tmp_path / "gone")], check=False)
    assert Recovery(folder).left_behind() is None
