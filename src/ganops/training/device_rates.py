"""Adam, AdamW and SGD at rates that lie on the device, so that a step recorded once can be replayed at others.

torch's fused kernels take β2 as a number, which a recording would repeat for ever: a burn-in changes it at each
step. The equations here are the fused kernels' own, and so is the state that they leave; equal to rounding, and
bias corrections are computed in float64, since 1 - β2 has few digits left in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def move_at_device_rates(optimizer: torch.optim.Optimizer) -> None:
    """One step of an optimiser made by `optimizer_of`, whose lr, and β2 if it has one, are float64 scalars."""
    (group,) = optimizer.param_groups
    parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
    states = [optimizer.state[parameter] for parameter in parameters]
    if "betas" in group:
        _adam(parameters, states, group)
    else:
        _sgd(parameters, states, group)


def _adam(parameters: list[Tensor], states: list[dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    """m ← m + (1 - β1)(g - m), v ← β2·v + (1 - β2)g², w ← w - lr·m̂/(√v̂ + ε)   (Kingma and Ba 2015, algorithm 1).

    With c = 1 - β1ᵗ and k = √(1 - β2ᵗ), the last is m over √v·c/(k·lr) + ε·c/lr. A weight decay is decoupled:
    w ← (1 - lr·λ)w before (Loshchilov and Hutter 2019, algorithm 2).
    """
    lr, (beta1, beta2), dtype = group["lr"], group["betas"], parameters[0].dtype
    gradients = [_gradient(parameter) for parameter in parameters]
    means, squares, steps = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step"))
    torch._foreach_add_(steps, 1)
    taken = steps[0].double()  # all weights take all steps
    first, second = (1 - beta1**taken) / lr, (1 - beta2**taken).sqrt()
    if group["weight_decay"] > 0:
        torch._foreach_mul_(parameters, (1 - lr * group["weight_decay"]).to(dtype))
    torch._foreach_lerp_(means, gradients, 1 - beta1)
    torch._foreach_mul_(squares, beta2.to(dtype))
    torch._foreach_addcmul_(squares, torch._foreach_mul(gradients, (1 - beta2).to(dtype)), gradients)
    divisors = torch._foreach_sqrt(squares)
    torch._foreach_mul_(divisors, (first / second).to(dtype))
    torch._foreach_add_(divisors, (first * group["eps"]).to(dtype), alpha=1)  # else it is read as a number
    torch._foreach_addcdiv_(parameters, means, divisors, value=-1)


def _sgd(parameters: list[Tensor], states: list[dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    """v ← μv + g, w ← w - lr·v."""
    gradients = [_gradient(parameter) for parameter in parameters]
    if group["momentum"] > 0:
        buffers = [state["momentum_buffer"] for state in states]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        gradients = buffers
    torch._foreach_sub_(parameters, torch._foreach_mul(gradients, group["lr"].to(parameters[0].dtype)))


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
