"""Several processes for one piece of work: torchrun as a child, and what its end means, in one paragraph.

Parent and ranks talk through files in one folder (the job, each rank's error, rank 0's report, how many exchanges
each rank has entered) and through the ranks' standard output: `progress DONE TOTAL NOTE` of rank 0, and `failed` of
any. On Linux every process dies with its parent, so that none is left behind whatever is killed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from ganops import errors
from ganops.config import TrainConfig
from ganops.errors import ConfigError, GanOpsError, RankGone, RankLost, unwritable
from ganops.files import read_json, write_json
from ganops.process import die_with_parent, end_group
from ganops.progress import Progress, silent
from ganops.training.precision import resolve_device
from ganops.training.ranks import Ranks, joined
from ganops.training.torchrun_agent import AGENT, EXITS

_JOB, _REPORT, _ENTERED = "job.json", "report.json", "entered.npy"
_PROCESSES_ON_CPUS = 2
_PROGRESS = re.compile(r"progress (\d+) (\d+) ?(.*)$")
_FAILED = "failed"
_GRACE_SECONDS = 5.0
"""In which torchrun may end the others after one rank has failed; a stopped process does not heed it."""
_LINES_KEPT = 20
_ENDED_BY_TORCHRUN = -signal.SIGTERM
_ENDED_BY_NCCL = -signal.SIGABRT
"""How NCCL ends a process that waits for another in vain."""

Work = Callable[[Mapping[str, Any], Ranks, Progress], Mapping[str, Any] | None]

# ---------------------------------------------------------------- the parent


def processes_of(config: TrainConfig) -> int:
    """How many processes train: as many as there are GPUs, or 2 on CPUs, where the configuration leaves it open.

    Raises:
        ConfigError: a device that is not there, more processes than GPUs, a batch that cannot be divided among them.
    """
    device = resolve_device(config.device)
    gpus = torch.cuda.device_count() if device.type == "cuda" else None
    processes = config.processes or gpus or _PROCESSES_ON_CPUS
    if gpus is not None and processes > gpus:
        raise ConfigError(
            f"'train.processes' in params.yaml is {processes}, but there are {gpus} CUDA devices on this machine, and "
            "each process takes one. Lower it, or set it to null: one for each device."
        )
    if processes > 1 and device.index is not None:
        raise ConfigError(
            f"'train.device' in params.yaml is '{config.device}', one device, but launcher torchrun gives each of "
            f"{processes} processes its own. Set device: cuda, or launcher: process."
        )
    if refusal := config.undivided(processes):
        raise ConfigError(f"'train' in params.yaml: {refusal}.")
    return processes


@final
@dataclass(frozen=True)
class Launch:
    """How many processes, on which device (as configured), and in what time each has to answer the others."""

    processes: int
    device: str
    timeout_seconds: float


def run_ranks(
    module: str, folder: Path, job: Mapping[str, Any], launch: Launch, progress: Progress
) -> Mapping[str, Any]:
    """Run `module`, which calls `be_rank`, in several processes; returns rank 0's report.

    folder: for their files; what is in it is deleted. job: plain data, for `be_rank`.

    Raises:
        RankLost: a process was killed, hung or failed in a way that nobody foresaw.
        WorkspaceError, NoRoom: the folder cannot be written.
        GanOpsError: that a rank raised.
    """
    processes = launch.processes
    _empty(folder)
    settings = {"device": launch.device, "timeout_seconds": launch.timeout_seconds}
    write_json(folder / _JOB, {**settings, "work": job})
    np.save(folder / _ENTERED, np.zeros(processes, np.int64))
    code, said = _follow(_command(module, folder, processes), progress)
    if code != 0:
        raise _failure(folder, processes, launch.timeout_seconds, code, said)
    report: Mapping[str, Any] = read_json(folder / _REPORT)
    shutil.rmtree(folder, ignore_errors=True)
    return report


def _empty(folder: Path) -> None:
    """Raises WorkspaceError or NoRoom where `folder` cannot be made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise unwritable(
            error,
            f"The folder {folder}, for the files of torchrun's processes, cannot be made anew: {error.strerror}. Make "
            "room there, or move away what is in the way.",
        ) from None


def _command(module: str, folder: Path, processes: int) -> list[str]:
    python = [sys.executable, "-m", "ganops.training.torchrun_agent", str(os.getpid()), str(folder)]
    torchrun = ["--standalone", "--nnodes", "1", "--nproc-per-node", str(processes), "--max-restarts", "0"]
    return [*python, *torchrun, "--local-addr", "127.0.0.1", "-m", module, str(folder)]


def _follow(command: list[str], progress: Progress) -> tuple[int, list[str]]:
    """Run torchrun to its end, which is when nobody holds its output open; returns its exit code and last words."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONSAFEPATH": "1"},  # -m would import from the working directory, which is a user's
        start_new_session=True,
    )
    assert process.stdout is not None
    said: deque[str] = deque(maxlen=_LINES_KEPT)
    killing = threading.Timer(_GRACE_SECONDS, process.kill)
    try:
        for line in process.stdout:
            if match := _PROGRESS.match(line.rstrip("\n")):
                progress(int(match[1]), int(match[2]), match[3])
            elif line != f"{_FAILED}\n":
                said.append(line.rstrip("\n"))
            elif killing.ident is None:
                killing.start()
        return process.wait(), list(said)
    except BaseException:
        end_group(process)
        raise
    finally:
        killing.cancel()


def _failure(folder: Path, processes: int, timeout_seconds: float, code: int, said: list[str]) -> GanOpsError:
    """What it ended of: a killed rank before all, for the others only lost it; then what a rank said itself."""
    exits = {int(rank): exit_code for rank, exit_code in _read(folder / EXITS).items()}
    for rank, exit_code in exits.items():
        if exit_code < 0 and exit_code not in (_ENDED_BY_TORCHRUN, _ENDED_BY_NCCL):
            return RankLost(_killed(rank, processes, -exit_code))
    found = {rank: error for rank in range(processes) if (error := _read(_error(folder, rank)))}
    for error in found.values():
        if error["kind"] not in ("", RankLost.__name__, RankGone.__name__):
            return getattr(errors, error["kind"])(error["message"])  # type: ignore[no-any-return]
    for rank, error in found.items():
        if not error["kind"]:
            return RankLost(f"Rank {rank} of {processes} failed: {error['message']}")
    gone = any(error["kind"] == RankGone.__name__ for error in found.values())
    told_to_end = [rank for rank, exit_code in exits.items() if exit_code == _ENDED_BY_TORCHRUN and rank not in found]
    if told_to_end and (gone or len(told_to_end) == len(exits)):  # in order: torchrun has ended the others after it
        return RankLost(_killed(told_to_end[0], processes, signal.SIGTERM))
    waiting = {*found, *(rank for rank, exit_code in exits.items() if exit_code == _ENDED_BY_NCCL)}
    if waiting:
        return RankLost(_unanswered(np.load(folder / _ENTERED), waiting, timeout_seconds))
    if code < 0:
        return RankLost(f"torchrun was ended by {signal.Signals(-code).name}, and its {processes} ranks with it.")
    last = " ".join(line for line in said[-6:] if line.strip())
    return RankLost(f"torchrun ended with code {code}: {last or 'it said nothing'}.")


def _killed(rank: int, processes: int, number: int) -> str:
    name = signal.Signals(number).name
    hint = " (so the kernel does when memory runs out)" if number == signal.SIGKILL else ""
    return f"Rank {rank} of {processes} was ended by {name}{hint}, and so the other ranks were ended, too."


def _unanswered(entered: Sequence[int], waiting: Collection[int], timeout_seconds: float) -> str:
    """Of the ranks that have not waited in vain, those that entered fewest exchanges are who the others waited for."""
    mute = [rank for rank in range(len(entered)) if rank not in waiting] or range(len(entered))
    fewest = min(entered[rank] for rank in mute)
    late = [str(rank) for rank in mute if entered[rank] == fewest]
    return (
        f"Rank{'s' if len(late) > 1 else ''} {', '.join(late)} of {len(entered)} did not answer the others within "
        f"{timeout_seconds:g} seconds, and so all were ended. If one evaluation takes longer than that, raise "
        "train.timeout_seconds."
    )


# ---------------------------------------------------------------- a rank


def be_rank(folder: Path, work: Work) -> None:
    """Do `work(job, ranks, progress)` as one rank of `run_ranks`; does not return when it fails."""
    die_with_parent(int(os.environ[AGENT]))
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # one machine: nobody else need hear of it
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        settings = read_json(folder / _JOB)
        device = resolve_device(settings["device"], Ranks(rank, count))
        with joined(device, settings["timeout_seconds"], _Entered(folder / _ENTERED, rank)) as ranks:
            report = work(settings["work"], ranks, _print_progress if ranks.leads else silent)
        if ranks.leads:
            write_json(folder / _REPORT, report)
    except BaseException as error:  # whatever it is, the others wait
        try:
            write_json(_error(folder, rank), _told(error, _error(folder, rank)))
            _print(_FAILED)
        finally:
            os._exit(1)  # threads of gloo or NCCL could hold up an orderly end


def _told(error: BaseException, path: Path) -> dict[str, str]:
    """What a rank leaves behind of what it failed of: a kind of errors.py, or none for what nobody foresaw."""
    if isinstance(error, GanOpsError):
        return {"kind": type(error).__name__, "message": str(error)}
    last = traceback.format_exception_only(error)[-1].strip()
    trace = "".join(traceback.format_exception(error))
    return {"kind": "", "message": f"{last} (its traceback is in {path}).", "traceback": trace}


@final
class _Entered:
    """Counts the exchanges of one rank where its parent can see it when no exchange works any more."""

    def __init__(self, path: Path, rank: int) -> None:
        self._counts, self._rank = np.load(path, mmap_mode="r+"), rank

    def __call__(self) -> None:
        self._counts[self._rank] += 1


def _print_progress(done: int, total: int, note: str) -> None:
    _print(f"progress {done} {total} {note}")


def _print(line: str) -> None:
    """In one write, which does not mix with those of other ranks."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def _error(folder: Path, rank: int) -> Path:
    return folder / f"error-{rank}.json"


def _read(path: Path) -> dict[str, Any]:
    """What a JSON file holds; nothing, where there is none."""
    value: dict[str, Any] = read_json(path) if path.exists() else {}
    return value
