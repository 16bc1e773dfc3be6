"""The gate's calibration: what is simulated is what it says, by the same figures that promotions are decided on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops import cli, workspace
from ganops.errors import UserError
from ganops.evaluation.binomial import lower_limit, upper_limit
from ganops.evaluation.calibration import Entrant, Pair, _draws, contests
from ganops.evaluation.fd_star import influences
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import frechet_distance, frechet_distance_of
from ganops.evaluation.population import BANDWIDTH, Kind, Population
from ganops.evaluation.reference import FORMAT, METRIC_VERSION, REFERENCE, array_digests, reference_hash
from ganops.evaluation.threads import one_thread
from ganops.files import write_json
from ganops.stages import calibrate as stage
from ganops.stages.calibrate import CalibrationPlan, calibrate
from ganops.stages.calibration import Calibration

CLASSES, WIDTH = 3, 6


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """One thread; and no simulations of tens of thousands of images."""
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "_LARGEST_SIMULATED", 3000)
        yield


def clustered(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features in clusters, of unequal variances, with long tails; and the clusters' numbers."""
    random = np.random.default_rng(seed)
    classes = random.integers(CLASSES, size=count)
    centres = np.random.default_rng(7).normal(size=(CLASSES, WIDTH)) * 2
    around = random.standard_t(6, size=(count, WIDTH)) * np.linspace(0.5, 2, WIDTH)
    return (centres[classes] + around).astype(np.float32), classes


@pytest.fixture(scope="module")
def population() -> Population:
    return Population.like(clustered(400, 0)[0])


def test_the_populations_moments_are_those_of_the_data(population: Population) -> None:
    data = clustered(400, 0)[0].astype(np.float64)
    noise = np.square(population.spread) * BANDWIDTH**2 / (1 + BANDWIDTH**2)
    points = population.points.astype(np.float64)
    covariance = population.axes @ (points.T @ points / len(points) + np.diag(noise)) @ population.axes.T
    np.testing.assert_allclose(points.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(covariance, np.cov(data.T, ddof=0), rtol=1e-5, atol=1e-5)
    drawn = population.around(population.rows(np.random.default_rng(0), 40_000), np.random.default_rng(1))
    np.testing.assert_allclose(np.cov(population.features(drawn).T, ddof=0), covariance, atol=0.4)
    np.testing.assert_allclose(population.features(drawn).mean(0), data.mean(0), atol=0.05)


@pytest.mark.parametrize("kind", [Kind.shifted(0.07), Kind.narrower(0.07), Kind.wider(0.07), Kind.mixed(0.07)])
def test_a_kinds_true_distance_is_as_stated(population: Population, kind: Kind) -> None:
    sigma = np.diag(np.square(population.spread))
    real = FeatureStats(np.zeros(WIDTH), sigma, 10**6)
    made = FeatureStats(kind.shift * population.spread, kind.scale**2 * sigma, 10**6)
    assert kind.share == pytest.approx(0.07)
    assert frechet_distance(made, real) == pytest.approx(0.07 * population.total_variance, rel=1e-9)


def test_the_fast_figures_are_those_that_promotions_are_decided_on(population: Population) -> None:
    ours, theirs = Kind.mixed(0.1), Kind.wider(0.1)
    (found,) = contests(population, [Pair("", Entrant(ours, 0), Entrant(theirs, 1))], 600, 200, 5, 2)
    reference, first, second = _draws(population, 600, 200, 5, 2)
    made = [population.features(population.made_by(kind, drawn)) for kind, drawn in ((ours, first), (theirs, second))]
    real = population.features(reference)
    plain = [frechet_distance_of(x, real) for x in made]
    halves = [[frechet_distance_of(x[part::2], real[part::2]) for part in (0, 1)] for x in made]
    star = [2 * whole - sum(parts) / 2 for whole, parts in zip(plain, halves, strict=True)]
    (a, ref_a), (b, ref_b) = (influences(x, real) for x in made)
    variances = [np.var(a, ddof=1) / 600 + np.var(b, ddof=1) / 600, np.var(ref_b - ref_a, ddof=1) / 200]
    assert found.star.improvement is not None and found.plain.improvement is not None
    assert found.star.challenger.value == pytest.approx(star[0], rel=1e-4)
    assert found.star.improvement.value == pytest.approx(star[1] - star[0], rel=1e-3)
    assert found.plain.improvement.value == pytest.approx(plain[1] - plain[0], rel=1e-3)
    assert [found.from_generated, found.from_reference] == pytest.approx(variances, rel=1e-3)
    assert found.star.improvement.standard_error == pytest.approx(math.sqrt(sum(variances)), rel=1e-3)


@pytest.mark.parametrize(
    ("count", "trials", "lower", "upper"),
    [
        (0, 50, 0.0, 0.0581551),
        (5, 100, 0.0199056, 0.1022534),
        (140, 2000, 0.0608379, 0.0801112),
        (7, 7, 0.6518363, 1.0),
    ],
)
def test_limits_are_clopper_and_pearsons(count: int, trials: int, lower: float, upper: float) -> None:
    assert lower_limit(count, trials) == pytest.approx(lower, abs=1e-6)
    assert upper_limit(count, trials) == pytest.approx(upper, abs=1e-6)


# ---------------------------------------------------------------- on a workspace


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A workspace whose reference is of clustered features; nothing in it was trained."""
    root = tmp_path_factory.mktemp("mine")
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text((repository / name).read_text())
    facts = {}
    for seed, (split, count) in enumerate({"train": 300, "select": 240, "test": 250}.items()):
        features, classes = clustered(count, seed)
        folder = root / "data" / "reference" / split
        folder.mkdir(parents=True)
        np.save(folder / "features.npy", features)
        np.save(folder / "classes.npy", classes)
        np.save(folder / "ids.npy", np.random.default_rng(seed).integers(256, size=(count, 32), dtype=np.uint8))
        np.save(folder / "pixels.npy", np.random.default_rng(seed).random((count, 16), np.float32))
        facts[split] = {
            "hash": reference_hash("e", split),
            "images_sha256": split,
            "count": count,
            "of": count,
            "sha256": array_digests(folder),
        }
    card = {"kind": "classifier", "sha256": "e" * 64, "dim": WIDTH, "accuracy": 0.9}
    summary = {"format": FORMAT, "metric_version": METRIC_VERSION, "score": "fd", "extractor": card, "splits": facts}
    shown = {"classes": ["a", "b", "c"], "preprocessing": "p", "image_shape": [1, 8, 8], "floor": 0.0}
    write_json(root / "data" / "reference" / REFERENCE, {**summary, **shown})
    return root


PLAN = CalibrationPlan(repeats=400, num_images=800, distance=6.0, whole=2)


@pytest.fixture(scope="module")
def found(mine: Path) -> Calibration:
    return calibrate(workspace.load(workspace.find(mine)), PLAN)


def test_equals_are_seldom_promoted_and_by_the_usual_rules_often(found: Calibration) -> None:
    assert {null.repeats for null in found.nulls} == {400}
    assert all(null.lower_95 <= found.level and null.rate <= 0.07 for null in found.nulls)
    by_rule = {(rule, rate.name): rate.rate for rule, rate in found.naive}
    assert by_rule["lower is better", "one generator, drawn twice"] > 0.4
    # the plain distance favours the narrower one
    assert by_rule["lower is better", "narrower against wider"] > 0.55
    assert by_rule["lower is better", "wider against narrower"] < 0.45


def test_power_grows_with_the_improvement_and_the_counts_that_are_asked_for_suffice(found: Calibration) -> None:
    rates = [power.found.rate for power in found.power]
    assert rates == sorted(rates) and rates[-1] > 0.5
    counts = [power.needed.both for power in found.power]
    assert counts == sorted(counts, key=lambda both: both or (0, 0), reverse=True)
    last = found.power[-1].needed
    assert last.checked is not None
    assert last.checked.lower_95 <= 0.85 and last.checked.upper_95 >= 0.7  # 80 % is asked


def test_whole_decisions_have_every_guard(found: Calibration) -> None:
    assert [whole.promoted.repeats for whole in found.whole] == [2, 2, 2]
    assert all(whole.promoted.count <= whole.by_distance for whole in found.whole)
    # classes and pixels were simulated too: a guard that is not measured vetoes
    assert all(whole.vetoes.get(name, 0) < 2 for whole in found.whole for name in ("class_coverage", "copies"))


def test_the_same_seed_gives_the_same_with_any_number_of_processes(mine: Path) -> None:
    there = workspace.load(workspace.find(mine))
    few = CalibrationPlan(repeats=20, num_images=300, distance=6.0, whole=1)
    alone, several, other = (
        calibrate(there, CalibrationPlan(**{**vars(few), **changed}))
        for changed in ({}, {"workers": 2}, {"seed": 1, "whole": 0})
    )
    assert alone == several
    assert alone.naive != other.naive


def test_nothing_evaluated_means_a_usual_distance(mine: Path) -> None:
    few = CalibrationPlan(repeats=10, num_images=100, whole=0)
    found = calibrate(workspace.load(workspace.find(mine)), few)
    assert found.distance == pytest.approx(0.05 * found.total_variance)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (CalibrationPlan(repeats=10, num_images=13), "13 images are too few for 6 features: at least 14"),
        (CalibrationPlan(repeats=10, distance=1e9), "cannot be simulated"),
        (CalibrationPlan(repeats=10, distance=0.0), "cannot be simulated"),
    ],
)
def test_what_cannot_be_simulated_is_refused(mine: Path, plan: CalibrationPlan, said: str) -> None:
    with pytest.raises(UserError, match=said):
        calibrate(workspace.load(workspace.find(mine)), plan)


def _command(monkeypatch: pytest.MonkeyPatch, mine: Path, *options: str) -> int:
    arguments = "ganops", "-w", str(mine), "gate", "calibrate", "--num-images", "300", "--whole", "1"
    monkeypatch.setattr(sys, "argv", [*arguments, "--repeats", "20", "--distance", "6", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_prints_json_and_draws(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(monkeypatch, mine, "--json", "--plot", str(tmp_path / "gate.png")) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name", "repeats", "false_promotion_rate", "upper_95"} <= set(found["nulls"][0])
    assert {item["rule"] for item in found["naive"]} == {"lower is better", "plain FD test"}
    assert [power["improvement"] for power in found["power"]] == [0.02, 0.05, 0.1, 0.2]
    assert found["holds"] is all(null["upper_95"] <= 0.07 for null in found["nulls"])
    with Image.open(tmp_path / "gate.png") as picture:
        assert picture.width == 2000 and len(picture.getcolors(10**6) or ()) > 5


def _children(process: subprocess.Popen[str]) -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the kernel does not tell who runs")
@pytest.mark.parametrize("workers", [1, 2])
def test_one_that_is_stopped_says_that_nothing_is_kept(mine: Path, tmp_path: Path, workers: int) -> None:
    command = ["-w", str(mine), "gate", "calibrate", "--num-images", "300", "--repeats", "1000000", "--distance", "6"]
    picture = tmp_path / "gate.png"
    with subprocess.Popen(
        [sys.executable, "-m", "ganops.cli", *command, "--workers", str(workers), "--plot", str(picture)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            while workers > 1 and len(_children(process)) < workers + 1:  # one keeps account of the others
                assert process.poll() is None
                time.sleep(0.02)
            assert workers > 1 or (process.stderr is not None and "calibrate" in process.stderr.readline())
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all of them
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130 and "Traceback" not in told, told
    assert told.splitlines()[-1].startswith("stopped: Nothing of this calibration is kept")
    assert not picture.exists()


def test_the_command_says_in_words_what_was_found(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(monkeypatch, mine, "--whole", "0") == 0
    said = " ".join(capsys.readouterr().out.split())
    for phrase in ("False promotions among generators of equal true distance", "a guard can only veto", "not about"):
        assert phrase in said
    # twenty repeats show nothing, and that is said
    assert "NOT shown to hold its level" in said


def test_a_picture_that_cannot_be_written_is_refused_before_the_work(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(monkeypatch, mine, "--plot", str(tmp_path / "nowhere" / "gate.png")) == 2
    assert "choose another with --plot" in capsys.readouterr().err
