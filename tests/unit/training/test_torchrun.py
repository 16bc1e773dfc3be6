from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.errors import ConfigError, GanOpsError, RankLost, WorkspaceError
from ganops.files import write_json
from ganops.training import torchrun

TERM, KILL, ABORT = -signal.SIGTERM, -signal.SIGKILL, -signal.SIGABRT
LOST = {"kind": "RankLost", "message": "no answer"}
GONE = {"kind": "RankGone", "message": "connection closed"}
REFUSED = {"kind": "ConfigError", "message": "Lower the batch."}
UNFORESEEN = {"kind": "", "message": "KeyError: 1 (its traceback is in error-1.json)."}

ENDS: dict[str, tuple[dict[int, int], dict[int, Any], list[int], int, type[GanOpsError], str]] = {
    # exit codes, what ranks said, exchanges entered, torchrun's own exit code, what it comes to
    "killed": ({0: 1, 1: KILL, 2: TERM}, {0: LOST}, [7, 7, 7], 1, RankLost, "^Rank 1 of 3 was ended by SIGKILL "),
    "refused": ({0: 1, 1: 1, 2: TERM}, {0: LOST, 1: REFUSED}, [7, 6, 7], 1, ConfigError, "^Lower the batch.$"),
    "told to end": ({1: TERM, 0: 1, 2: TERM}, {0: GONE}, [7, 7, 7], 1, RankLost, "^Rank 1 of 3 was ended by SIGTERM"),
    "told to end, and at once": ({1: TERM, 0: TERM}, {}, [7, 7, 7], 1, RankLost, "^Rank 1 of 3 was ended by SIGTERM"),
    "unforeseen": ({0: 1, 1: 1, 2: TERM}, {0: LOST, 1: UNFORESEEN}, [7, 6, 7], 1, RankLost, "^Rank 1 .*KeyError: 1 "),
    "hung before an exchange": ({}, {0: LOST}, [7, 7, 6], KILL, RankLost, "^Rank 2 of 3 did not answer .* 9 seconds"),
    "hung within one": ({}, {0: LOST, 2: LOST}, [7, 7, 7], KILL, RankLost, "^Rank 1 of 3 did not answer"),
    "hung, said NCCL": ({0: ABORT, 1: TERM, 2: ABORT}, {}, [7, 6, 7], 1, RankLost, "^Rank 1 of 3 did not answer"),
    "torchrun killed": ({}, {}, [7, 7, 7], KILL, RankLost, "^torchrun was ended by SIGKILL"),
    "torchrun failed": ({}, {}, [0, 0, 0], 1, RankLost, "^torchrun ended with code 1: no port"),
}


@pytest.mark.parametrize(("way", "why"), [("file", "Not a directory"), ("link", "File exists")])
def test_what_lies_in_the_way_of_its_folder_is_named(tmp_path: Path, way: str, why: str) -> None:
    folder, launch = tmp_path / "ranks" / "a", torchrun.Launch(2, "cpu", 9.0)
    if way == "file":
        folder.parent.touch()
    else:
        folder.parent.mkdir()
        folder.symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match=rf"ranks/a, .* cannot be made anew: {why}\. .*move away what is in the"):
        torchrun.run_ranks("no.module", folder, {}, launch, lambda done, total, note: None)


@pytest.mark.parametrize("end", ENDS)
def test_what_it_ended_of(tmp_path: Path, end: str) -> None:
    exits, said, entered, code, kind, expected = ENDS[end]
    np.save(tmp_path / "entered.npy", np.array(entered))
    if exits:
        write_json(tmp_path / "exits.json", exits)
    for rank, error in said.items():
        write_json(tmp_path / f"error-{rank}.json", error)
    with pytest.raises(kind, match=expected) as raised:
        raise torchrun._failure(tmp_path, 3, 9.0, code, ["no port"])
    assert type(raised.value) is kind
