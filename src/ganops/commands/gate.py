"""The verb `gate calibrate`."""

from __future__ import annotations

from pathlib import Path

from ganops.commands.telling import bar, writing
from ganops.errors import RunStopped
from ganops.outputs import require_place
from ganops.reports.terminal import print_json, results_console
from ganops.workspace import find, load


def calibrate(
    start: Path,
    repeats: int,
    seed: int,
    num_images: int | None,
    distance: float | None,
    whole: int,
    workers: int,
    plot: Path | None,
    json: bool,
) -> None:
    from ganops.reports.calibration import print_calibration
    from ganops.reports.calibration_picture import write_calibration_picture
    from ganops.stages.calibrate import CalibrationPlan, calibrate

    if plot is not None:
        require_place(plot, "--plot")
    plan = CalibrationPlan(repeats, seed, num_images, distance, whole, workers)
    workspace = load(find(start))
    try:
        with bar("calibrate the gate") as progress:
            found = calibrate(workspace, plan, progress).to_json()
        if plot is not None:
            with writing(plot, "--plot"):
                write_calibration_picture(plot, found)
    except KeyboardInterrupt:
        raise RunStopped(
            "Nothing of this calibration is kept, since its figures are of the whole simulation: the same command "
            "begins anew, and a lower --repeats takes less time."
        ) from None
    if json:
        print_json({**found, "plot": str(plot.resolve()) if plot is not None else None})
    else:
        print_calibration(results_console(), found)
