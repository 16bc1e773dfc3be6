"""Batch norm over the whole batch, where its rows lie in several processes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganops.training.ranks import Ranks


def synchronise(network: nn.Module, ranks: Ranks) -> None:
    """Give every batch norm of `network` the statistics of all ranks; weights and buffers stay the same tensors."""
    if ranks.count == 1:
        return
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, SynchronisedBatchNorm(child, ranks))


@final
class SynchronisedBatchNorm(_BatchNorm):
    """y = (x - E[x]) / √(Var[x] + ε) · weight + bias, over all ranks' x (N, C, …)   (Ioffe and Szegedy 2015, alg. 1).

    torch's own SyncBatchNorm is for CUDA alone. Deviations are squared after the common mean is known: two exchanges
    instead of one, and no cancellation.
    """

    def __init__(self, original: _BatchNorm, ranks: Ranks) -> None:
        """Takes over the parameters and buffers of `original`."""
        assert original.affine and original.track_running_stats and original.momentum is not None
        super().__init__(original.num_features, original.eps, original.momentum, device="meta")
        self._ranks = ranks
        self.weight, self.bias = original.weight, original.bias
        self.running_mean, self.running_var = original.running_mean, original.running_var
        self.num_batches_tracked = original.num_batches_tracked
        self.train(original.training)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values, axes = x.float(), [axis for axis in range(x.dim()) if axis != 1]
        mean = self._ranks.mean(values.mean(axes))
        deviations = values - self._per_channel(mean, x)
        variance = self._ranks.mean(deviations.square().mean(axes))
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * self._ranks.count)
        scale = torch.rsqrt(variance + self.eps) * self.weight
        return (deviations * self._per_channel(scale, x) + self._per_channel(self.bias, x)).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """The running statistics for evaluation: of the variance, the unbiased one."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        self.num_batches_tracked += 1

    def _check_input_dim(self, x: Tensor) -> None:
        """Any number of axes."""

    @staticmethod
    def _per_channel(values: Tensor, x: Tensor) -> Tensor:
        return values.view(1, -1, *(1,) * (x.dim() - 2))
