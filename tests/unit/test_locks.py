from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ganops.errors import LockTimeout
from ganops.locks import waited

_HOLDER = """
import sys
from pathlib import Path
from ganops.locks import waited
with waited(Path(sys.argv[1]), "process of ada", 10, print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_next_waits_is_told_for_whom_and_gets_it_from_a_killed_holder(tmp_path: Path) -> None:
    path, said = tmp_path / "promotion.lock", list[str]()
    command = [sys.executable, "-c", _HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockTimeout, match=r"within 0.2 seconds .*process of ada holds it"),
            waited(path, "me", 0.2, said.append),
        ):
            pass
        assert said == ["waiting for the promotion lock, which process of ada holds"]
        os.kill(holder.pid, signal.SIGKILL)
        with waited(path, "me", 10, said.append) as hold:
            hold.require()
            assert hold.identity == "file" and path.read_text() == "me"
