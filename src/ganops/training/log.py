"""What a training tells while it runs: lines of statistics for an observer, notes for who waits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol, final

import torch
from torch import Tensor

from ganops.progress import Progress
from ganops.training.guard import Continue, Verdict
from ganops.training.lines import LOSSES, line_of
from ganops.training.state import TrainingState

_SECONDS_BETWEEN_NOTES = 0.5


class Observer(Protocol):
    """Who follows a training; nothing of what it does can change the result."""

    def begin(self, lines: list[dict[str, Any]]) -> None:
        """Training starts; `lines` were logged before an interruption."""

    def line(self, line: Mapping[str, Any]) -> None:
        """One line of statistics."""

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        """`images_by_class` of `generator_ema` from the same z each time: uint8 (N, C, H, W), N about 64."""


@final
class Unobserved:
    """Nobody follows."""

    def begin(self, lines: list[dict[str, Any]]) -> None:
        """Nothing is told."""

    def line(self, line: Mapping[str, Any]) -> None:
        """Nothing is told."""

    def samples(self, images_seen: int, images_u8: Tensor) -> None:
        """Nothing is told."""


@final
class Log:
    """Averages what the steps return and passes it on; it keeps the time, which decides nothing."""

    def __init__(
        self,
        observer: Observer,
        progress: Progress,
        total: int,
        step_images: int,
        state: TrainingState,
        notes: list[str],
    ) -> None:
        """total: images shown by the end; step_images: images shown in one step; notes: of its beginning."""
        self.notes = notes
        self._observer, self._progress, self._total, self._step_images = observer, progress, total, step_images
        self._sums, self._steps = torch.zeros(len(LOSSES), device=state.device), 0
        self._smallest_part = state.micro_batch
        self._speed: float | None = None
        self._clock = self._last_line = self._last_note = time.monotonic()
        observer.begin(state.lines)
        progress(state.images_seen, total, _greeting(state, notes))

    def step(self, state: TrainingState, means: Tensor) -> None:
        """A step was taken; means: what `train_step` returned."""
        self._sums += means
        self._steps += 1
        if (now := time.monotonic()) - self._last_note > _SECONDS_BETWEEN_NOTES:
            self._last_note = now
            self._progress(state.images_seen, self._total, _note(state, self._speed))

    def line(self, state: TrainingState) -> dict[str, Any]:
        """The line that is due now, over the steps since the last one."""
        means = self._sums / self._steps
        speed = self._steps * self._step_images / (time.monotonic() - self._last_line)
        self._sums.zero_()
        self._steps = 0
        self._speed = speed
        return line_of(state, means, self._total, speed)

    def write(self, state: TrainingState, line: dict[str, Any], verdict: Verdict) -> None:
        """Log `line` and what came of it."""
        now = time.monotonic()
        state.seconds, self._clock, self._last_line = state.seconds + now - self._clock, now, now
        line["seconds"] = round(state.seconds, 3)
        if not isinstance(verdict, Continue):
            line |= {"event": verdict.event, "reason": verdict.reason}
        state.lines.append(line)
        self._observer.line(line)
        self._progress(state.images_seen, self._total, _note(state, self._speed))

    def smallest_part(self, state: TrainingState, images: int) -> None:
        """The rank that has least memory now takes `images` at a time; of this one, it was said when it happened."""
        if images < min(self._smallest_part, state.micro_batch):
            self.keep(
                state,
                f"out of memory in another process: by {state.images_seen:,} images, {images} images at a time there",
            )
        self._smallest_part = images

    def keep(self, state: TrainingState, note: str) -> None:
        """Tell it, also in the report of a training that is interrupted and goes on from `state`."""
        state.moves.append(note)
        self.say(state, note)

    def say(self, state: TrainingState, note: str) -> None:
        """Tell who waits, and keep it for the report."""
        self.notes.append(note)
        self.tell(state, note)

    def tell(self, state: TrainingState, note: str) -> None:
        """Tell who waits; the report has it already."""
        self._progress(state.images_seen, self._total, note)


def _greeting(state: TrainingState, notes: list[str]) -> str:
    if state.images_seen:
        return " ".join([*notes, f"resumed at {state.images_seen / 1000:g} kimg"])
    return " ".join([*notes, "started anew"]) if notes else "started"


def _note(state: TrainingState, images_per_second: float | None) -> str:
    """The last evaluation's Fréchet distance, the best one and the last line's speed, where there are any."""
    scored = (line for line in reversed(state.lines) if line["fd"] is not None and line["best_fd"] is not None)
    last = next(scored, None)
    said = [f"fd {last['fd']:.4g} (best {last['best_fd']:.4g})"] if last else []
    if images_per_second is not None:
        said.append(f"{images_per_second:,.0f} images/s")
    return ", ".join(said) or "no evaluation yet"
