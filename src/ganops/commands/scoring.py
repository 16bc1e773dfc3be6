"""The verb `score`: with a workspace or without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ganops import bootstrap
from ganops.commands.telling import writing
from ganops.errors import RunStopped, WorkspaceError
from ganops.files import cache_folder
from ganops.outputs import require_place
from ganops.reports.terminal import Steps, errors_console, print_json, results_console, say
from ganops.workspace import find


def score(start: Path, plot: Path | None, keep: bool, json: bool, **asked: Any) -> None:
    """asked: the fields of `stages.score_request.ScoreRequest`."""
    from ganops.reports.score import print_score
    from ganops.stages.score import score as measure
    from ganops.stages.score_cache import Cache
    from ganops.stages.score_request import ScoreRequest

    request, steps = ScoreRequest(**asked), Steps(errors_console())
    if plot is not None:
        require_place(plot, "--plot", inputs=filter(None, (request.a, request.b, request.train, request.heldout)))
    remarks: list[str] = []
    cache = Cache(cache_folder() if keep else None, say=remarks.append)
    with _stoppable(keep), steps.showing():
        found = measure(request, partial(bootstrap.open_registry, start), _own_extractor(start), cache, steps.observe)
    for remark in dict.fromkeys(remarks):  # the cache says so for each thing that it keeps
        print(remark, file=sys.stderr)
    facts = {**found.to_json(), "plot": None if plot is None else str(plot.resolve())}
    if plot is not None:
        from ganops.reports.score_picture import write_score_picture
        from ganops.stages.score_neighbours import neighbour_groups

        with _stoppable(keep), writing(plot, "--plot"):
            write_score_picture(plot, facts, neighbour_groups(found))
    if json:
        print_json(facts)
        return
    print_score(results_console(), facts)
    if plot is not None:
        say(f"picture:  {plot}")


@contextmanager
def _stoppable(keep: bool) -> Iterator[None]:
    """Whoever stops it is told what is left of it: `stages.score_cache` has whole extractors and whole sets alone."""
    try:
        yield
    except KeyboardInterrupt:
        raise RunStopped(
            "A score is not kept half done. An extractor that was fitted to the end, and the features of images that "
            "were looked at to the end, are in the cache, and the same command begins behind them."
            if keep
            else "Nothing of this score is kept (--no-cache): the same command begins anew."
        ) from None


def _own_extractor(start: Path) -> Path | None:
    """Where the workspace's extractor lies, if there is a workspace here."""
    try:
        return find(start).reference / "extractor"
    except WorkspaceError:
        return None
