"""The git repository that a workspace lies in, read only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from ganops.files import digest_json, sha256_bytes, sha256_file
from ganops.ports import RepositoryState

_WHERE = (".", ":(exclude)journal")
"""The journal is about what was made, and has no part in making it."""
_SHOWN = 50
"""Names of changed files that a state lists."""


@final
@dataclass(frozen=True)
class GitRepository:
    """Implements `ports.Repository`. Without git, or outside of a repository, there is nothing to read."""

    root: Path

    def state(self) -> RepositoryState:
        commit = self._text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if commit is None:
            return RepositoryState(None, None, ())
        tracked = self._names("diff", "HEAD", "--name-only", "-z", "--relative", "--", *_WHERE)
        new = self._names("ls-files", "--others", "--exclude-standard", "-z", "--", *_WHERE)
        changed = tuple(sorted({*tracked, *new}))
        if not changed:
            return RepositoryState(commit, None, ())
        difference = self._git("diff", "HEAD", "--binary", "--no-ext-diff", "--relative", "--", *_WHERE).stdout
        added = {name: sha256_file(self.root / name) for name in new if (self.root / name).is_file()}
        digest = digest_json({"difference": sha256_bytes(difference), "added": added})
        return RepositoryState(commit, digest, changed[:_SHOWN])

    def fault(self) -> str | None:
        there = next((path for path in (self.root, *self.root.parents) if (path / ".git").exists()), None)
        result = self._git("rev-parse", "--git-dir")
        if there is None or result.returncode == 0:
            return None
        said = " ".join(result.stderr.decode(errors="replace").split())[:300]
        return (
            f"{there / '.git'} is there, and git cannot read it ({said}): nothing could be held against what it keeps."
        )

    def committed(self, name: str) -> bytes | None:
        result = self._git("cat-file", "blob", f"HEAD:./{name}")
        return result.stdout if result.returncode == 0 else None

    def first_committed(self, pattern: str) -> str | None:
        added = self._text("log", "--diff-filter=A", "--format=%cI", "--reverse", "--", pattern)
        return added.split()[0] if added else None

    def holds(self, commit: str) -> bool:
        return self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def tag_messages(self, pattern: str) -> Mapping[str, str]:
        listed = self._text("for-each-ref", "--format=%(refname:strip=2)%00%(contents)%00%00", f"refs/tags/{pattern}")
        found = (each.strip("\n").split("\0", 1) for each in (listed or "").split("\0\0"))
        return {name: message.strip() for name, message in (pair for pair in found if len(pair) == 2)}

    def _names(self, *arguments: str) -> tuple[str, ...]:
        listed = self._git(*arguments).stdout.decode(errors="replace")
        return tuple(name for name in listed.split("\0") if name)

    def _text(self, *arguments: str) -> str | None:
        result = self._git(*arguments)
        return result.stdout.decode(errors="replace").strip() if result.returncode == 0 else None

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *arguments], cwd=self.root, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"}
            )
        except FileNotFoundError:
            return subprocess.CompletedProcess(arguments, 127, b"", b"git was not found")
