"""Contests between simulated generators, for the gate to be tried on: FD* and FD of both and of their difference.

The same figures as `fd_star.frechet_estimates` gives, many times faster: every kind of generator is a scaled and moved
copy of the same draws, so that moments, decompositions and products are made once for all kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganops.evaluation.compare import compare
from ganops.evaluation.comparison import Comparison, Contrast
from ganops.evaluation.estimate import F64, Estimate
from ganops.evaluation.feature_stats import FeatureStats
from ganops.evaluation.frechet import root_and_whitening
from ganops.evaluation.population import F32, Kind, Population
from ganops.evaluation.protocol import Protocol
from ganops.evaluation.reference import ReferenceSample
from ganops.evaluation.sample import Sample
from ganops.evaluation.threads import one_thread

I64 = npt.NDArray[np.int64]
Draw = Literal[0, 1]
"""Which of a repeat's two independent draws a generator is made of."""


@final
@dataclass(frozen=True)
class Entrant:
    """A generator in a contest."""

    kind: Kind
    draw: Draw


@final
@dataclass(frozen=True)
class Pair:
    """Who meets whom; their draws differ."""

    name: str
    challenger: Entrant
    champion: Entrant

    @property
    def entrants(self) -> tuple[Entrant, Entrant]:
        return self.challenger, self.champion


@final
@dataclass(frozen=True)
class Contest:
    """What was measured of one pair. star: by FD*; plain: by FD, with the same standard error.

    from_generated, from_reference: the parts of the difference's squared standard error.
    """

    star: Contrast
    plain: Contrast
    from_generated: float
    from_reference: float


def contests(
    population: Population, pairs: Sequence[Pair], num_images: int, num_reference: int, seed: int, repeat: int
) -> tuple[Contest, ...]:
    """All pairs, against one reference and on one draw for either side. The same `seed` and `repeat` give the same.

    num_images, num_reference: more than twice the population's dimensions.
    """
    assert min(num_images, num_reference) > 2 * population.dimensions, "halves without a full covariance"
    reference, first, second = _draws(population, num_images, num_reference, seed, repeat)
    with one_thread():
        real = _Moments(reference)
        views = tuple(_View(_Moments(drawn), real) for drawn in (first, second))
        entrants = dict.fromkeys(entrant for pair in pairs for entrant in pair.entrants)
        found = {entrant: views[entrant.draw].estimates(entrant.kind, population.spread) for entrant in entrants}
    return tuple(_contest(found[pair.challenger], found[pair.champion]) for pair in pairs)


def _draws(population: Population, num_images: int, num_reference: int, seed: int, repeat: int) -> tuple[F32, F32, F32]:
    random = np.random.Generator(np.random.Philox(key=[seed, repeat]))

    def drawn(count: int) -> F32:
        return population.around(population.rows(random, count), random)

    return drawn(num_reference), drawn(num_images), drawn(num_images)


@final
class _Moments:
    """Draws (n, d), centred, in single precision, and moments of them and of two halves in double precision."""

    def __init__(self, drawn: F32) -> None:
        self.halves = (_stats(drawn[0::2]), _stats(drawn[1::2]))
        self.whole = self.halves[0].merged(self.halves[1])
        self.centred = torch.from_numpy(drawn - self.whole.mu.astype(np.float32))
        self.squares = self.centred.square().sum(1)

    @cached_property
    def roots(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """`root_and_whitening` of the whole and of either half."""
        return tuple(root_and_whitening(torch.from_numpy(of.sigma)) for of in (self.whole, *self.halves))


def _stats(drawn: F32) -> FeatureStats:
    """As `FeatureStats.from_features`, of draws that are finite and have a mean near 0: without its checks."""
    x = torch.from_numpy(drawn).double()
    mean = x.mean(0)
    sigma = (x.T @ x - len(x) * torch.outer(mean, mean)) / (len(x) - 1)
    return FeatureStats(mean.numpy(), sigma.numpy(), len(x))


@final
class _View:
    """Draws against a reference, decomposed together once for every kind of generator.

    A kind scales the draws by one factor s in all directions, so that their covariance is s² that of the draws, and
    the optimal-transport map to the reference, T, is a 1/s-th. With R Rᵀ = Σ_r, W its inverse, and eigenvectors V of
    M = (Rᵀ Σ R)^½: T = R V M⁻¹ Vᵀ Rᵀ, and W V M Vᵀ Wᵀ back.
    """

    def __init__(self, drawn: _Moments, real: _Moments) -> None:
        self._drawn, self._real = drawn, real
        root, whitening = real.roots[0]
        squares, vectors = torch.linalg.eigh(root.T @ torch.from_numpy(drawn.whole.sigma) @ root)
        values = squares.clamp(min=0).sqrt()
        # in single precision: a standard error is not known to a millionth either
        there, back = (root @ vectors / values.sqrt()).float(), (whitening @ vectors * values.sqrt()).float()
        self._carried = (drawn.centred @ there).square_().sum(1), (real.centred @ back).square_().sum(1)
        self._root_trace = values.sum().item()
        self._root_traces_of_halves = tuple(
            torch.linalg.eigvalsh(of_half.T @ torch.from_numpy(half.sigma) @ of_half).clamp(min=0).sqrt().sum().item()
            for half, (of_half, _) in zip(drawn.halves, real.roots[1:], strict=True)
        )

    def estimates(self, kind: Kind, spread: F64) -> tuple[Estimate, Estimate]:
        """FD* and FD of what `kind` makes of the draws, with the samples' influences (see `fd_star.influences`)."""
        drawn, real, scale = self._drawn, self._real, kind.scale

        def distance(of: FeatureStats, to: FeatureStats, root_trace: float) -> float:
            step = scale * of.mu + kind.shift * spread - to.mu
            return float(step @ step + scale**2 * np.trace(of.sigma) + np.trace(to.sigma) - 2 * scale * root_trace)

        plain = distance(drawn.whole, real.whole, self._root_trace)
        halves = list(map(distance, drawn.halves, real.halves, self._root_traces_of_halves))
        step = torch.from_numpy(scale * drawn.whole.mu + kind.shift * spread - real.whole.mu).float()
        made, back = self._carried
        on_generated = (drawn.centred @ step) * (2 * scale) + drawn.squares * scale**2 - made * scale
        on_reference = (real.centred @ step) * -2 + real.squares - back * scale
        influences = on_generated.double().numpy(), on_reference.double().numpy()
        return Estimate(2.0 * plain - (halves[0] + halves[1]) / 2.0, *influences), Estimate(plain, *influences)


def _contest(ours: tuple[Estimate, Estimate], theirs: tuple[Estimate, Estimate]) -> Contest:
    star, plain = (
        Contrast(our.measurement, their.measurement, their.minus(our)) for our, their in zip(ours, theirs, strict=True)
    )
    generated = sum(float(np.var(side[0].generated, ddof=1)) / len(side[0].generated) for side in (ours, theirs))
    between = theirs[0].reference - ours[0].reference
    return Contest(star, plain, generated, float(np.var(between, ddof=1)) / len(between))


# ---------------------------------------------------------------- the whole comparison


@final
@dataclass(frozen=True, eq=False)
class World:
    """All that a comparison looks at, made after a workspace's reference: features, and with the same row of the data
    its class and its pixels. training: how many training images there are."""

    features: Population
    pixels: Population | None
    reference: ReferenceSample
    training: int

    @staticmethod
    def like(reference: ReferenceSample) -> World:
        has_pixels = reference.pixels.size > 0 and len(reference.train_pixels) > 0
        pixels = Population.like(reference.pixels) if has_pixels else None
        return World(Population.like(reference.features), pixels, reference, len(reference.train_pixels))


def whole_comparisons(
    world: World, pairs: Sequence[Pair], num_images: int, num_reference: int, seed: int, repeat: int
) -> tuple[Comparison, ...]:
    """Of each pair, every metric, by the same `compare` that promotions use."""
    random = np.random.Generator(np.random.Philox(key=[seed, repeat]))
    reference = _reference(world, num_reference, random)
    draws = tuple(_rows_and_draws(world, num_images, random) for _ in range(2))

    def sample(entrant: Entrant) -> Sample:
        rows, drawn, pixels = draws[entrant.draw]
        features = world.features.features(world.features.made_by(entrant.kind, drawn))
        protocol = protocol_of(reference, num_images, num_reference, repeat)
        name = f"{entrant.kind.name} {entrant.draw}"
        return Sample(name, features, _classes(world, rows), protocol, np.empty(0, np.uint64), pixels)

    return tuple(compare(sample(pair.challenger), sample(pair.champion), reference) for pair in pairs)


def protocol_of(reference: ReferenceSample, num_images: int, num_reference: int, seed: int) -> Protocol:
    """What a comparison on `num_reference` images like those of `reference` would be measured by."""
    return Protocol(
        score=f"fd_{reference.extractor}@{reference.extractor_sha256[:8]}",
        extractor=reference.extractor,
        extractor_sha256=reference.extractor_sha256,
        preprocessing=reference.preprocessing,
        split=reference.split,
        reference_hash=reference.hash,
        num_images=num_images,
        num_reference=num_reference,
        seed=seed,
        metric_version=reference.metric_version,
        extractor_accuracy=reference.extractor_accuracy,
        grey_repeated=reference.grey_repeated,
    )


def _rows_and_draws(world: World, count: int, random: np.random.Generator) -> tuple[I64, F32, F32]:
    rows = world.features.rows(random, count)
    drawn = world.features.around(rows, random)
    empty = np.empty((0, 0), np.float32)
    pixels = world.pixels.features(world.pixels.around(rows, random)) if world.pixels is not None else empty
    return rows, drawn, pixels


def _reference(world: World, count: int, random: np.random.Generator) -> ReferenceSample:
    rows, drawn, pixels = _rows_and_draws(world, count, random)
    _, _, train_pixels = _rows_and_draws(world, world.training, random)
    features = world.features.features(drawn)
    return replace(
        world.reference,
        features=features,
        classes=_classes(world, rows),
        ids=np.zeros((count, 32), np.uint8),
        train_features=np.empty((0, features.shape[1]), np.float32),
        pixels=pixels,
        train_pixels=train_pixels,
    )


def _classes(world: World, rows: I64) -> I64:
    return np.asarray(world.reference.classes[rows], np.int64)
