"""What the discriminator is shown in one turn, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ganops.training.inputs import Batch


@final
@dataclass(frozen=True)
class Turn:
    """batch, or a part of one that makes up `share` of it, and images generated from its z, detached."""

    batch: Batch
    fake: Tensor
    share: float

    @property
    def images(self) -> Tensor:
        """Real images, then generated ones: float32 (2N, C, H, W)."""
        return torch.cat((self.batch.real, self.fake))

    @property
    def labels(self) -> Tensor | None:
        """The labels of `images`: int64 (2N,)."""
        labels = self.batch.labels
        return None if labels is None else torch.cat((labels, labels))


def figures_of(turn: Turn, loss: Tensor, penalty: Tensor, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """[loss, penalty, mean real logit, mean generated logit], of which the turn is a share: float32 (4,)."""
    values = (loss, penalty, real_logits.mean() * turn.share, fake_logits.mean() * turn.share)
    return torch.stack([value.detach().float() for value in values])
