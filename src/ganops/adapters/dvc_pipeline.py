"""DVC, through its command line: the only way that is safe side by side.

Every call waits for DVC's lock, runs in a process group of its own (so that a killed run takes
its stages with it) and hands its output on line by line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganops import errors
from ganops.errors import DamagedFile, GanOpsError, PipelineError, RunStopped, WorkspaceError
from ganops.files import read_text
from ganops.layout import Layout
from ganops.process import end_group

OnLine = Callable[[str], None]

OWN_FILES = (
    *("params.yaml", "dvc.yaml", "dvc.lock", "prefect.yaml", "flows", "mlflow"),
    *(".gitignore", ".dvcignore", ".dvc", "data", "journal", "keys"),
)
"""What `commit` commits of a workspace; bytes among them are ignored by git."""

_DVC_FILES: Mapping[str, tuple[str, type, str]] = {
    "dvc.yaml": ("stages", Mapping, "Restore it with `git checkout dvc.yaml`."),
    "dvc.lock": (
        "schema",
        str,
        "Restore it with `git checkout dvc.lock`, or delete it: the next run writes it anew, and takes what has not "
        "changed from DVC's cache.",
    ),
    "data/raw.dvc": (
        "outs",
        list,
        "Restore it with `git checkout data/raw.dvc`, or write it anew with `dvc add data/raw`.",
    ),
}
"""Files that DVC reads: a section that each must have, and how to get it back."""

_BUSY, _BUSY_SECONDS = "is busy, it is being blocked by", 30.0
_STAGE_ERROR = re.compile(r"error ([A-Z]\w+): (.+)$")
"""How a stage that runs in the pipeline says what it failed of."""


@final
@dataclass(frozen=True)
class DvcPipeline:
    """The stages of a workspace's `dvc.yaml`."""

    layout: Layout
    _running: set[subprocess.Popen[str]] = field(default_factory=set, repr=False, compare=False)
    _stopped: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)

    def init(self) -> None:
        """Make the folder a git repository, where it is in none that would track it, and a DVC one."""
        tracked = self._git("rev-parse", "--is-inside-work-tree", check=False).returncode == 0
        if not tracked or self._git("check-ignore", "--quiet", ".", check=False).returncode == 0:
            self._git("init", "--quiet", "--initial-branch=main")
        inside = Path(self._git("rev-parse", "--show-toplevel").stdout.strip()).resolve() != self.layout.root
        self._dvc(["init", *(["--subdir"] if inside else [])])
        self._dvc(["config", "--quiet", "core.analytics", "false"])

    def require_usable(self) -> None:
        """Look whether history can be kept and the pipeline read: better said before anything is changed.

        Raises:
            WorkspaceError: git's or DVC's folder is gone.
            DamagedFile: dvc.yaml, dvc.lock or data/raw.dvc is not what DVC writes.
        """
        self._git("status", "--porcelain", "--", "params.yaml")
        if not (self.layout.root / ".dvc").is_dir():
            raise WorkspaceError(f"{self.layout.root} has no .dvc folder. Restore it from git, or run `dvc init`.")
        for name in _DVC_FILES:
            self._document(name)

    def add(self, path: Path) -> None:
        """Version a folder's bytes; writes `PATH.dvc`."""
        self._dvc(["add", path.relative_to(self.layout.root).as_posix()])

    def pull(self, path: Path) -> None:
        """Bring a folder's bytes from the remote.

        Raises:
            PipelineError: there is no remote, or it does not hold them.
        """
        self._dvc(["pull", path.relative_to(self.layout.root).as_posix() + ".dvc"])

    def changed(self) -> frozenset[str]:
        """Names of the stages, and of `.dvc` files, that are not up to date."""
        self.require_usable()
        output = self._dvc(["status", "--json"])
        start = output.find("{")
        return frozenset(json.loads(output[start:])) if start >= 0 else frozenset()

    def run(self, stage: str, on_line: OnLine) -> bool:
        """Run one stage if something it depends on has changed.

        Returns: whether it ran (False: skipped or taken from DVC's cache).
        Raises: the error that the stage itself printed, with its exit code's class; else `PipelineError`.
        """
        ran = False

        def follow(line: str) -> None:
            nonlocal ran
            ran = ran or line.startswith(f"Running stage '{stage}'")
            on_line(line)

        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._dvc(["repro", "--single-item", stage], follow)
                return ran
            except PipelineError as error:
                # --wait-for-lock does not wait for a stage's own outputs, held by a process that has just been killed
                if _BUSY not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(1.0)

    def stop(self) -> None:
        """End every stage that still runs: on Ctrl-C the threads that wait for them hear nothing."""
        self._stopped.set()
        for process in list(self._running):
            end_group(process)

    def data_version(self) -> str:
        """DVC's md5 of `data/raw`."""
        document = self._document("data/raw.dvc")
        if document is None:
            raise WorkspaceError("There is no data yet. Add some with `ganops data add SOURCE`.")
        try:
            return str(document["outs"][0]["md5"])
        except (KeyError, IndexError, TypeError):
            raise self._damaged("data/raw.dvc", "it names no md5") from None

    def commit(self, message: str) -> bool:
        """Commit the workspace's own pointers and settings, and nothing else; False when none had changed."""
        own = [name for name in OWN_FILES if (self.layout.root / name).exists()]
        self._git("add", "--all", "--", *own)
        if self._git("diff", "--cached", "--quiet", "--", *own, check=False).returncode == 0:
            return False
        identity = [] if self._git("config", "user.email", check=False).stdout.strip() else _IDENTITY
        self._git(*identity, "commit", "--quiet", "--no-verify", "--message", message, "--", *own)
        return True

    def mark(self, name: str, message: str) -> None:
        """An annotated tag on the commit of now; nothing where there is none yet, or that tag already."""
        if self.git_commit_id() is None or self._git("tag", "--list", name).stdout.strip():
            return
        identity = [] if self._git("config", "user.email", check=False).stdout.strip() else _IDENTITY
        self._git(*identity, "tag", "--no-sign", "--annotate", "--message", message, name)

    def git_commit_id(self) -> str | None:
        """The commit that the workspace stands on; None before the first."""
        result = self._git("rev-parse", "HEAD", check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    def _document(self, name: str) -> Mapping[str, Any] | None:
        """What a file of DVC's holds; None where there is none, `DamagedFile` where it is not what DVC writes."""
        path, (section, kind, _) = self.layout.root / name, _DVC_FILES[name]
        if not path.exists():
            return None
        try:
            document = YAML(typ="safe", pure=True).load(read_text(path))
        except (OSError, ValueError, YAMLError, RecursionError) as error:
            raise self._damaged(name, " ".join(str(error).split())[:200]) from None
        if not isinstance(document, Mapping) or not isinstance(document.get(section), kind):
            raise self._damaged(name, f"it has no section `{section}`")
        return document

    def _damaged(self, name: str, why: str) -> DamagedFile:
        return DamagedFile(f"{self.layout.root / name} is damaged ({why}). {_DVC_FILES[name][2]}")

    # ------------------------------------------------------------ the two programs

    def _dvc(self, arguments: Sequence[str], on_line: OnLine | None = None) -> str:
        command = [sys.executable, "-m", "ganops.adapters.dvc_process", "--wait-for-lock", *arguments]
        # its own group: a killed flow would otherwise leave the stage alive until its next print
        process = subprocess.Popen(
            command,
            cwd=self.layout.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            env=_environment(),
            start_new_session=True,
        )
        self._running.add(process)
        lines: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if on_line:
                    on_line(lines[-1])
            code = process.wait()
        except BaseException:
            end_group(process)
            raise
        finally:
            self._running.discard(process)
        if code != 0 and self._stopped.is_set():
            raise RunStopped("The run was stopped. What was finished is kept; `ganops run` goes on from there.")
        if code != 0:
            raise _failure(arguments, code, lines)
        return "\n".join(lines)

    def _git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        require_git()
        result = subprocess.run(
            ["git", *arguments],
            cwd=self.layout.root,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if check and "not a git repository" in result.stderr:
            raise WorkspaceError(
                f"{self.layout.root} is in no git repository any more: its .git is gone or damaged. Restore .git from "
                "a copy, or run `git init` there to begin a new history."
            )
        if check and result.returncode != 0:
            raise WorkspaceError(
                f"`git {arguments[0]}` failed in {self.layout.root}: {' '.join(result.stderr.split())} "
                "Mend that, and run the same command again."
            )
        return result


def require_git() -> None:
    """`WorkspaceError` where there is no git."""
    if shutil.which("git") is None:
        raise WorkspaceError(
            "git was not found, and a workspace keeps its history in git. Install git, and see that it is on PATH."
        )


_IDENTITY = ["-c", "user.name=GanOps", "-c", "user.email=ganops@localhost"]
"""Used where git knows no author, so that a fresh machine can keep its history too."""


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        # the stages' commands are `ganops …`: find the one of this very installation first
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "DVC_NO_ANALYTICS": "1",
        "GANOPS_IN_PIPELINE": "1",
    }


def _failure(arguments: Sequence[str], code: int, lines: Sequence[str]) -> GanOpsError:
    """The stage's own error where it printed one, else the end of what DVC said."""
    for line in reversed(lines):
        if match := _STAGE_ERROR.match(line):
            kind = getattr(errors, match[1], PipelineError)
            return cast(GanOpsError, kind(match[2]))
    said = " ".join(line for line in lines[-6:] if line.strip())
    return PipelineError(f"`dvc {' '.join(arguments)}` ended with code {code}: {said or 'it said nothing'}.")
