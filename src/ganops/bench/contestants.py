"""Who is timed: the engine, and the two loops that it is compared with.

The references are written as their sources write them, not as slowly as possible: (a) the loop of the
well-known public DCGAN example, (b) the R3GAN step as its paper gives it. All train the same networks
from the same weights, on the same images.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, Dataset

from ganops.config import CandidateConfig, TrainConfig
from ganops.models import Discriminator, Generator, ModelSpec, build_discriminator, build_generator
from ganops.training.captured import step_for
from ganops.training.inputs import Inputs
from ganops.training.loop import advance
from ganops.training.schedules import settings_at
from ganops.training.state import fresh_state

Images = np.ndarray[Any, np.dtype[np.uint8]]


@final
@dataclass(frozen=True, eq=False)
class Contest:
    """What all contestants share. images_u8: (N, C, H, W); total_images: shown by the end, which decays are about."""

    images_u8: Images
    spec: ModelSpec
    candidate: CandidateConfig
    batch_size: int
    device: torch.device
    seed: int
    total_images: int = 10**9


class Contestant(ABC):
    """Something that trains, a batch at a time."""

    @abstractmethod
    def step(self) -> None:
        """Train on one batch."""

    @abstractmethod
    def generator(self) -> Generator:
        """What it has to show: the averaged generator, on its device."""


@final
class Engine(Contestant):
    """GanOps' own step, as the training loop takes it. notes: why not in a CUDA graph, where it was to be."""

    def __init__(self, contest: Contest, precision: str) -> None:
        self._contest = contest
        self._state = fresh_state(
            contest.spec, contest.candidate, contest.seed, contest.device, precision, contest.batch_size
        )
        self._inputs = Inputs(
            contest.images_u8,
            None,
            contest.spec,
            contest.candidate,
            contest.batch_size,
            contest.seed,
            contest.total_images,
            contest.device,
        )
        self.notes: list[str] = []
        self._step = step_for(self._state, TrainConfig(batch_size=contest.batch_size), self.notes.append)

    def step(self) -> None:
        candidate = self._contest.candidate
        settings = settings_at(candidate, self._state.images_seen, 1.0)
        batch_size, seed = self._contest.batch_size, self._contest.seed
        advance(self._state, candidate, settings, self._inputs, batch_size, seed, self._step)

    def generator(self) -> Generator:
        return self._state.average.generator_ema


class _Reference(Contestant):
    """What both references share: float32, Adam as torch gives it, and an average kept in a Python loop."""

    def __init__(self, contest: Contest) -> None:
        candidate = contest.candidate
        torch.manual_seed(contest.seed)
        self._contest = contest
        self.g: Generator = build_generator(contest.spec, contest.seed).to(contest.device)
        self.d: Discriminator = build_discriminator(contest.spec, contest.seed).to(contest.device)
        self._average = copy.deepcopy(self.g).eval()
        self.g_optimizer = torch.optim.Adam(self.g.parameters(), candidate.generator_lr, candidate.betas)
        self.d_optimizer = torch.optim.Adam(self.d.parameters(), candidate.discriminator_lr, candidate.betas)
        self._images_seen = 0

    def _z(self) -> Tensor:
        return torch.randn(self._contest.batch_size, self._contest.spec.z_dim, device=self._contest.device)

    def _follow(self) -> None:
        self._images_seen += self._contest.batch_size
        half_life = min(self._contest.candidate.ema_half_life_kimg * 1000, 0.05 * self._images_seen)
        decay = 0.5 ** (self._contest.batch_size / half_life)
        with torch.no_grad():
            for average, current in zip(self._average.parameters(), self.g.parameters(), strict=True):
                average.mul_(decay).add_(current, alpha=1 - decay)
            for kept, now in zip(self._average.buffers(), self.g.buffers(), strict=True):
                kept.copy_(now)

    def generator(self) -> Generator:
        return self._average


@final
class PlainLoop(_Reference):
    """(a) A DataLoader over decoded images, `.item()` each step, Adam unfused, float32."""

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        loader = DataLoader(_Decoded(contest.images_u8), contest.batch_size, shuffle=True, drop_last=True)
        self._batches = _endless(loader)
        self._criterion = nn.BCEWithLogitsLoss()
        self.losses = (0.0, 0.0)

    def step(self) -> None:
        real = next(self._batches).to(self._contest.device)
        ones, zeros = (
            torch.full((self._contest.batch_size, 1), value, device=self._contest.device) for value in (1.0, 0.0)
        )
        self.d.zero_grad()
        loss_real = self._criterion(self.d(real), ones)
        torch.autograd.backward(loss_real)
        fake = self.g(self._z())
        loss_fake = self._criterion(self.d(fake.detach()), zeros)
        torch.autograd.backward(loss_fake)
        self.d_optimizer.step()
        self.g.zero_grad()
        loss_generator = self._criterion(self.d(fake), ones)
        torch.autograd.backward(loss_generator)
        self.g_optimizer.step()
        self.losses = (loss_real.item() + loss_fake.item(), loss_generator.item())
        self._follow()


@final
class PaperStep(_Reference):
    """(b) Relativistic pairing with R1 and R2 by double backward (Huang et al. 2024, equations 2 to 4), eager."""

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        self._images = torch.from_numpy(np.array(contest.images_u8)).to(contest.device)

    def step(self) -> None:
        chosen = torch.randint(len(self._images), (self._contest.batch_size,), device=self._contest.device)
        real = (self._images[chosen].float() / 127.5 - 1).requires_grad_(True)
        fake = self.g(self._z()).detach().requires_grad_(True)
        real_logits, fake_logits = self.d(real), self.d(fake)
        penalty = self._penalty(real_logits, real) + self._penalty(fake_logits, fake)
        self.d_optimizer.zero_grad()
        torch.autograd.backward(softplus(fake_logits - real_logits).mean() + penalty)
        self.d_optimizer.step()
        fake = self.g(self._z())
        real_logits, fake_logits = self.d(real.detach()), self.d(fake)
        self.g_optimizer.zero_grad()
        torch.autograd.backward(softplus(real_logits - fake_logits).mean())
        self.g_optimizer.step()
        self._follow()

    def _penalty(self, logits: Tensor, images: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
        return self._contest.candidate.gamma / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()


@final
class _Decoded(Dataset[Tensor]):
    """Images decoded once and scaled one by one, as image folders are read in examples."""

    def __init__(self, images_u8: Images) -> None:
        self._images = np.array(images_u8)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self._images[index]).float().div(255).sub(0.5).div(0.5)


def _endless(loader: DataLoader[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from loader
