"""Real processes that promote, forked from one that has everything imported: many of them, cheaply.

Run as a program it reads jobs from standard input, a JSON list a line of {name, arguments, environment}; the jobs of a
line run at once, each in a process of its own, which begin together. It answers with a JSON list of what became of
each: {value} or {error, exit_code} or {killed}.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

Job = tuple[str, Mapping[str, Any], Mapping[str, str]]


class Crew:
    """Starts jobs in real processes; used by tests."""

    def __init__(self) -> None:
        # a fork takes none of its parent's threads along, and whoever waits for one then waits for ever
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone
        )

    def __call__(self, name: str, environment: Mapping[str, str] | None = None, **arguments: Any) -> Any:
        """One job that has to end well; returns its value."""
        (told,) = self.at_once([(name, arguments, environment or {})])
        assert "value" in told, told
        return told["value"]

    def at_once(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Jobs side by side, begun together."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps(jobs) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, f"the crew is gone, exit code {self._process.wait(60)}; why is in the captured stderr"
        return list(json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


# ---------------------------------------------------------------- ports that die


@dataclass
class Clock:
    """Counts what is asked of the ports, and kills the process where it was told to."""

    kill_at: int | None
    now: int = 0

    def tick(self) -> None:
        if self.now == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.now += 1


class Dying:
    """A port as it is, until the clock says that it is time; between two calls is after one and before the next."""

    def __init__(self, port: Any, clock: Clock) -> None:
        self._port, self._clock = port, clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def asked(*arguments: Any, **named: Any) -> Any:
            self._clock.tick()
            return found(*arguments, **named)

        return asked


# ---------------------------------------------------------------- jobs


def make(
    start: Callable[[], None], folder: str, distances: Sequence[float], changes: Mapping[str, object]
) -> list[int]:
    """A workspace with so many versions, the first one its champion."""
    import ground

    app = ground.make_workspace(Path(folder), **changes)
    if app.store.folder is None:  # else MLflow would keep artifacts below wherever this runs
        artifacts = (app.layout.state / "artifacts").as_uri()
        app.store.client().create_experiment(app.store.experiment, artifact_location=artifacts)
    versions = ground.add_versions(app, len(distances))
    ground.store_comparisons(app, versions, distances, 0.1)
    assert app.decide(versions[0].version).outcome == "promoted"
    return [version.version for version in versions]


def join(start: Callable[[], None], folder: str, distances: Sequence[float], changes: Mapping[str, object]) -> None:
    """Another workspace of the same registry."""
    import ground

    app = ground.make_workspace(Path(folder), **changes)
    versions = sorted(app.registry.versions(), key=lambda version: version.version)
    ground.store_comparisons(app, versions, distances, 0.1)


def promote(start: Callable[[], None], folder: str, version: int) -> dict[str, Any]:
    """As `ganops promote VERSION` does."""
    app = _opened(folder)
    app.registry.versions()  # everything is open and warm: what is raced for is the transaction
    start()
    promotion = app.decide(version)
    return {"outcome": promotion.outcome, "champion": promotion.champion.version if promotion.champion else None}


def dying(start: Callable[[], None], folder: str, act: str, kill_at: int | None) -> int:
    """Promote, approve or roll back, until it is killed before its `kill_at`-th call of a port; returns all calls."""
    from ganops.stages.approval import approve
    from ganops.stages.promote import promote as stage
    from ganops.stages.rollback import rollback

    app, clock = _opened(folder), Clock(kill_at)
    registrar = replace(app.registrar, registry=Dying(app.registry, clock), journal=Dying(app.journal, clock))
    if act == "promote":
        stage(app.workspace, registrar, 2)
    elif act == "approve":
        approve(registrar, 2, "ada", "looks good")
    else:
        rollback(registrar, None, "bad hands")
    return clock.now


def recover(start: Callable[[], None], folder: str) -> str | None:
    """As `ganops recover` does."""
    return _opened(folder).recover()


def look(start: Callable[[], None], folder: str) -> int | None:
    """Everything is whole; returns the champion."""
    import ground

    return ground.require_whole(_opened(folder))


def _opened(folder: str) -> Any:
    from ganops import workspace
    from ganops.bootstrap import App
    from ganops.layout import Layout

    return App(workspace.load(Layout(Path(folder))))


JOBS: Mapping[str, Callable[..., Any]] = {
    "make": make,
    "join": join,
    "promote": promote,
    "dying": dying,
    "recover": recover,
    "look": look,
}


# ---------------------------------------------------------------- the program


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _warm_up(Path(folder))
        _end_threads()
        for line in sys.stdin:
            print(json.dumps(_run(json.loads(line))), flush=True)


def _warm_up(folder: Path) -> None:
    """Promote once, so that no job waits for an import or for MLflow's mappings."""
    import ground

    app = ground.make_workspace(folder / "warm")
    versions = ground.add_versions(app, 1)
    ground.store_comparisons(app, versions, [1.0], 0.1)
    assert app.decide(1).outcome == "promoted"


def _end_threads() -> None:
    """Wait for MLflow's download threads, which end some time after the pool that nobody holds any longer."""
    gc.collect()
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in others:
        thread.join(60)
    assert threading.active_count() == 1, f"a process with threads must not fork: {others}"


def _run(jobs: Sequence[Job]) -> list[dict[str, Any]]:
    gate_read, gate_write = os.pipe()
    ready_read, ready_write = os.pipe()
    children = []
    for job in jobs:
        answer_read, answer_write = os.pipe()
        if (child := os.fork()) == 0:
            os.close(gate_write)
            os.close(answer_read)

            def start() -> None:
                os.write(ready_write, b".")
                os.read(gate_read, 1)  # ends when the last holder of the other end lets go

            _answer(job, start, answer_write)
        os.close(answer_write)
        children.append((child, answer_read))
    os.close(ready_write)
    waiting = 0 if len(jobs) == 1 else len(jobs)
    while waiting and os.read(ready_read, 1):
        waiting -= 1
    os.close(gate_write)
    told = [_told(child, answer) for child, answer in children]
    for end in (gate_read, ready_read):
        os.close(end)
    return told


def _answer(job: Job, start: Callable[[], None], pipe: int) -> None:
    from ganops.errors import GanOpsError

    name, arguments, environment = job
    os.environ.update(environment)
    try:
        told: dict[str, Any] = {"value": JOBS[name](start, **arguments)}
    except GanOpsError as error:
        told = {"error": str(error), "exit_code": error.exit_code}
    except BaseException as error:
        import traceback

        told = {"error": f"{type(error).__name__}: {error}\n{traceback.format_exc()}", "exit_code": None}
    with os.fdopen(pipe, "w") as file:
        file.write(json.dumps(told))
    os._exit(0)


def _told(child: int, answer: int) -> dict[str, Any]:
    with os.fdopen(answer) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    return {"killed": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else dict(json.loads(text))


if __name__ == "__main__":
    main()
