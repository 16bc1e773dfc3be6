"""Known damage done to real images, and which metric sees it. Features are principal components of the pixels."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import copying
from torch.nn import functional as F

from ganops.evaluation.judge import SMALLER_IS_BETTER, Judge, Judgement, Metric
from ganops.evaluation.memorisation import OFFENDERS, memorisation
from ganops.evaluation.pixels import pixel_features
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import METRIC_VERSION, ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.evaluation.threads import one_thread

SHARED = os.environ.get("GANOPS_SHARED")
pytestmark = pytest.mark.skipif(not SHARED, reason="GANOPS_SHARED is not set")

COUNT, TRAIN, WIDTH = 1_500, 8_000, 32
U8 = np.ndarray
Damage = Callable[[U8, np.ndarray], tuple[U8, np.ndarray]]


class Data:
    """Three sets of Fashion-MNIST without a common image, as images_u8 (N, 1, 28, 28) with labels (N,)."""

    def __init__(self, folder: Path) -> None:
        images, labels = (
            _read(folder / "train-images-idx3-ubyte.gz", 16),
            _read(folder / "train-labels-idx1-ubyte.gz", 8),
        )
        order = np.random.default_rng(0).permutation(len(labels))
        images, labels = images.reshape(-1, 1, 28, 28)[order], labels[order].astype(np.int64)
        ends = np.cumsum((TRAIN, COUNT, COUNT))
        self.train, self.held_out, self.honest = np.split(images[: ends[-1]], ends[:-1])
        _, self.held_out_labels, self.honest_labels = np.split(labels[: ends[-1]], ends[:-1])
        x = pixel_features(self.train).astype(np.float64)
        self._mean = x.mean(0)
        _, vectors = np.linalg.eigh(np.cov(x.T))
        self._axes = vectors[:, -WIDTH:]

    def features(self, images_u8: U8) -> np.ndarray:
        return ((pixel_features(images_u8) - self._mean) @ self._axes).astype(np.float32)

    def reference(self) -> ReferenceSample:
        return ReferenceSample(
            split="test",
            features=self.features(self.held_out),
            classes=self.held_out_labels,
            ids=np.zeros((COUNT, 32), np.uint8),
            train_features=self.features(self.train),
            num_classes=10,
            hash="h",
            extractor="classifier",
            extractor_sha256="e",
            preprocessing="p",
            metric_version=METRIC_VERSION,
            pixels=pixel_features(self.held_out),
            train_pixels=pixel_features(self.train),
        )

    def sample(self, images_u8: U8, labels: np.ndarray) -> Sample:
        protocol = Protocol("fd", "classifier", "e", "p", "test", "h", len(images_u8), COUNT, 0, METRIC_VERSION)
        pixels = pixel_features(images_u8)
        return Sample("s", self.features(images_u8), labels, protocol, np.empty(0, np.uint64), pixels)


def _read(path: Path, offset: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


@pytest.fixture(scope="module")
def data() -> Data:
    return Data(Path(str(SHARED)) / "data" / "fashion-mnist")


@pytest.fixture(scope="module")
def judge(data: Data) -> Judge:
    return Judge(data.reference())


@pytest.fixture(scope="module")
def honest(data: Data, judge: Judge) -> Judgement:
    return judge.judgement(data.sample(data.honest, data.honest_labels))


def add_noise(images_u8: U8, labels: np.ndarray) -> tuple[U8, np.ndarray]:
    added = np.random.default_rng(1).normal(0, 60, images_u8.shape)
    return np.clip(images_u8 + added, 0, 255).astype(np.uint8), labels


def blur(images_u8: U8, labels: np.ndarray) -> tuple[U8, np.ndarray]:
    blurred = F.avg_pool2d(torch.from_numpy(images_u8.copy()).float(), 7, 1, 3)
    return blurred.to(torch.uint8).numpy(), labels


def collapse(images_u8: U8, labels: np.ndarray) -> tuple[U8, np.ndarray]:
    """Thirty images for ever."""
    rows = np.arange(len(labels)) % 30
    return images_u8[rows], labels[rows]


def drop_classes(images_u8: U8, labels: np.ndarray) -> tuple[U8, np.ndarray]:
    """Nothing but the last seven of ten classes."""
    rows = np.resize(np.flatnonzero(labels >= 3), len(labels))
    return images_u8[rows], labels[rows]


@pytest.mark.parametrize(
    ("damage", "seen_by"),
    [
        (add_noise, {"fd_star", "fd", "kid", "kid_subsets", "kernel_distance", "precision", "density"}),
        (blur, {"fd_star", "fd", "kid", "kid_subsets", "kernel_distance", "recall", "coverage"}),
        (collapse, {"fd_star", "fd", "recall", "coverage"}),
        (drop_classes, {"fd_star", "fd", "kid", "kernel_distance", "coverage", "class_coverage"}),
    ],
)
def test_damage_is_seen_by_the_metric_that_should_see_it(
    data: Data, judge: Judge, honest: Judgement, damage: Damage, seen_by: set[Metric]
) -> None:
    found = judge.estimates(data.sample(*damage(data.honest, data.honest_labels)))
    for name in seen_by:
        before, after = honest.estimates[name], found[name]
        cost = after.minus(before) if name in SMALLER_IS_BETTER else before.minus(after)
        assert cost.value > 3 * cost.standard_error, f"{name}: {cost}"
    assert not copying.alarms(found["copies"].measurement)  # nobody copied


def test_two_in_a_hundred_copies_are_found_and_named_and_honest_images_are_not(
    data: Data, judge: Judge, honest: Judgement
) -> None:
    random, copied, count = np.random.default_rng(3), data.honest.copy(), round(0.02 * COUNT)
    rows, sources = random.choice(COUNT, count, replace=False), random.choice(TRAIN, count, replace=False)
    copied[rows] = data.train[sources]
    found = judge.judgement(data.sample(copied, data.honest_labels))
    assert not copying.alarms(honest.estimates["copies"].measurement)
    share = found.estimates["copies"].measurement
    assert copying.alarms(share)
    assert share.value == pytest.approx(0.02, abs=0.01)
    assert len(found.offenders) == OFFENDERS
    sources_of = dict(zip(rows.tolist(), sources.tolist(), strict=True))
    assert all(sources_of.get(offender.generated) == offender.train for offender in found.offenders)
    assert not copying.alarms(found.estimates["memorisation"].measurement)  # which hardly notices so few


def test_the_share_that_is_nearer_to_training_images_sees_a_generator_that_only_copies(data: Data) -> None:
    few = pixel_features(data.train[:COUNT])
    held_out = pixel_features(data.held_out)
    honest = memorisation(pixel_features(data.honest), few, held_out).measurement
    copier = memorisation(few[np.random.default_rng(0).permutation(COUNT)], few, held_out).measurement
    assert honest.low < 0 < honest.high
    assert copier.value == pytest.approx(0.25, abs=0.05)  # each half of the copies beside one half of what was copied
    assert copier.low > 0.15


def test_over_repeats_honest_images_seldom_alarm_and_planted_copies_do() -> None:
    """A short run of `python -m benchmarks.copying`, with fewer images, which makes the alarm duller."""
    pixels, repeats, honest, planted = copying.fashion_mnist(Path(str(SHARED))), 16, 0, 0
    with one_thread():
        for seed in range(repeats):
            sets = copying.draw(pixels, seed, count=1_500, train=5_000, held_out=3_000)
            honest += copying.alarms(copying.share_of_copies(sets.honest, sets))
            if seed % 4 == 0:
                copier = sets.copier(np.random.default_rng([seed, 1]))
                planted += copying.alarms(copying.share_of_copies(copier, sets))
    assert honest <= 4  # more than that has a chance of 1 in 1,000 at a level of 5 %
    assert planted == repeats // 4
