"""What the command line of `ganops score` asks for, checked, and read from where it lies."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final, get_args

from ganops.data.sources.naming import printable
from ganops.errors import UnknownName, UserError
from ganops.evaluation.judge import PIXELS, Metric
from ganops.stages.score_inputs import Input, Pinned, Registries, Wanted, open_input

METRICS: tuple[Metric, ...] = get_args(Metric)
WITH_TRAIN = PIXELS | {"mifid"}
"""Metrics that look at training images."""
Observer = Callable[[str, int, int, str], None]
"""Told `(step, done, total, note)`; `total` is 0 while it is unknown."""


@final
@dataclass(frozen=True)
class ScoreRequest:
    """What the command line says. a is judged, b is the reference; see docs/cli.md for the words of each."""

    a: str
    b: str
    metrics: tuple[str, ...] = ()
    """None of them: every one that applies."""
    extractor: str | None = None
    split: str | None = None
    train: str | None = None
    heldout: str | None = None
    num_images: int | None = None
    seed: int = 0


def wanted_metrics(request: ScoreRequest) -> tuple[str, ...]:
    """The metrics that were asked for, all where none was.

    Raises:
        UnknownName: one is not known; names the nearest.
        UserError: one has no name, or held-out images are given, and no training images.
    """
    wanted = tuple(name.strip().lower().replace("-", "_") for name in request.metrics)
    for name in wanted:
        if not name:
            raise UserError(
                "--metrics has an empty name: name one or several, with a comma between two, or leave it out for all. "
                f"Metrics are {', '.join(METRICS)}."
            )
        if name not in METRICS:
            near = difflib.get_close_matches(name, METRICS, n=1)
            meant = f", did you mean '{near[0]}'?" if near else "."
            raise UnknownName(f"There is no metric '{name}'{meant} Metrics are {', '.join(METRICS)}.")
    if request.heldout is not None and request.train is None:
        raise UserError("--heldout is held against training images: name these with --train.")
    return wanted


def open_inputs(request: ScoreRequest, registries: Registries, observe: Observer) -> dict[str, Input]:
    """By role (`a`, `b`, and where they are given `train` and `heldout`); the same words are read once.

    Raises:
        UserError: there is no such thing, split or model.
        DataRefused: it is there but cannot be used.
    """

    read_before: dict[tuple[str, str | None, bool], Input] = {}

    def read(wanted: Wanted) -> Input:
        key = (wanted.spec, wanted.split, wanted.training)
        if key not in read_before:
            step = f"read {printable(Path(wanted.spec).name or wanted.spec)}"
            read_before[key] = open_input(wanted, registries, partial(observe, step))
        return read_before[key]

    a, b = _splits(request)
    found = {"a": read(a), "b": read(b)}
    if request.train is not None:
        found["train"] = read(Wanted(request.train, "train", required=False, training=True))
    elif isinstance(found["b"], Pinned):  # which keeps some of its training images, too
        found["train"] = found["b"]
    if request.heldout is not None:
        found["heldout"] = read(Wanted(request.heldout, "test", required=False))
    given = {getattr(found[role], "split", None) for role in ("a", "b")}
    if request.split is not None and not a.required and a.split not in given:
        raise UserError(
            f"Neither '{request.a}' nor '{request.b}' has a split '{a.split}' of its own. Leave --split out to take "
            "all of their images."
        )
    return found


def _splits(request: ScoreRequest) -> tuple[Wanted, Wanted]:
    """A and B with the split of each: `train:test` is A's and B's, one name is meant for whichever has it."""
    if request.split is None:
        return Wanted(request.a), Wanted(request.b)
    names = [None if name.strip() in ("", "all") else name.strip().lower() for name in request.split.split(":")]
    if len(names) > 2:
        raise UserError(
            f"'--split {request.split}' has more than two parts: write A's and B's split, as in train:test."
        )
    required = len(names) == 2
    return Wanted(request.a, names[0], required), Wanted(request.b, names[-1], required)
