"""Gradient penalties without double backward, exact for piecewise linear discriminators.

A penalty is a function P of g = ∇ₓ D(x), and training needs ∂P(g)/∂θ = vᵀ ∂g/∂θ with v = ∂P/∂g held fixed.
Since vᵀg is the derivative of D along v, that is ∂/∂θ of a *tangent pass*: v goes through the network in
place of x, every affine layer without its bias, every LeakyReLU with the slopes that x chose. Double
backward finds the same by differentiating a backward pass, through kernels that nobody has tuned.

Between kinks the network is linear, so for each layer l and image i one cotangent δ = ∂D(xᵢ)/∂(output of l)
serves both parts. With c = ∂loss/∂D(xᵢ), a the layer's input and ȧ its tangent, its gradient is

    ∂(loss + P)/∂W = Σᵢ δᵢ ⊗ (cᵢ·aᵢ + ȧᵢ),    ∂(loss + P)/∂b = Σᵢ cᵢ·δᵢ,

one product per layer: a forward pass, a backward pass to the images, the tangent pass and these products
cost 4/3 of an unpenalised step, where double backward costs 2 or more. Equal to double backward to rounding
(tested in float64); at a kink, a set of measure zero, both take one side.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from ganops.models import Discriminator

Function = Callable[..., Any]

_CONVOLUTION: Function = torch.conv2d
_LINEAR: Function = torch._C._nn.linear
_OPERANDS = ("inputs", "weight", "bias", "stride", "padding", "dilation", "groups")
_SLOPES: dict[Function, Callable[..., float]] = {
    functional.leaky_relu: lambda x, negative_slope=0.01, inplace=False: negative_slope,  # noqa: ARG005
    functional.relu: lambda x, inplace=False: 0.0,  # noqa: ARG005
}
_HOMOGENEOUS: frozenset[Function] = frozenset(
    {
        *(torch.flatten, torch.unflatten, torch.reshape, torch.permute, torch.squeeze, torch.unsqueeze),
        *(Tensor.flatten, Tensor.unflatten, Tensor.reshape, Tensor.view, Tensor.permute, Tensor.contiguous),
        *(Tensor.squeeze, Tensor.unsqueeze, Tensor.float, Tensor.to, Tensor.gather, torch.gather, Tensor.__getitem__),
        *(torch.mean, torch.sum, Tensor.mean, Tensor.sum, functional.avg_pool2d, functional.interpolate),
        *(functional.pad, functional.adaptive_avg_pool2d, torch.add, Tensor.add, Tensor.__add__),
        *(torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, Tensor.__truediv__, Tensor.masked_fill),
    }
)
"""Linear without a constant: they may treat a tangent as they treat an image."""
_SUMS: frozenset[Function] = frozenset({torch.add, Tensor.add, Tensor.__add__})


class NotPiecewiseLinear(RuntimeError):
    """The network holds an operation that this method cannot follow: use double backward."""


@final
@dataclass
class _Affine:
    """One use of an affine layer: its operands as computed with, and δ, which the backward pass fills in."""

    function: Function
    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: Mapping[str, Any]
    dtype: torch.dtype
    cotangent: Tensor | None = None


def accumulate_gradients(
    discriminator: nn.Module,
    logits_of: Callable[[Tensor], Tensor],
    images: Tensor,
    loss: Callable[[Tensor], Tensor],
    penalty: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Add ∂(loss + penalty)/∂θ to the `.grad` of every weight θ of `discriminator`.

    logits_of: images float (N, C, H, W) -> logits (N, 1), the discriminator's, each of its own image alone.
    loss: of all logits at once, a scalar. penalty: of ∇ₓ D, float (N, C, H, W), a scalar.
    Returns (logits, loss, penalty), detached. An autocast context around the call is respected.

    Raises:
        NotPiecewiseLinear: and then no `.grad` has changed.
    """
    images = images.detach().requires_grad_(True)
    with parametrize.cached():
        record = _Record(_weights(discriminator))
        with record:
            logits = logits_of(images)
        if logits.dim() != 2 or logits.shape[1] != 1:
            raise NotPiecewiseLinear(f"logits of shape {tuple(logits.shape)}: several of one image")
        leaf = logits.detach().float().requires_grad_(True)
        loss_value = loss(leaf)
        (slope,) = torch.autograd.grad(loss_value, leaf)
        (gradient,) = torch.autograd.grad(logits.sum(), images)
        gradient = gradient.detach().requires_grad_(True)
        penalty_value = penalty(gradient)
        (direction,) = torch.autograd.grad(penalty_value, gradient)
        tangent = _Tangent(record, slope.flatten())
        with torch.no_grad(), tangent:
            logits_of(direction)
    _accumulate(tangent.gradients)
    return logits.detach().float(), loss_value.detach(), penalty_value.detach()


def follows(discriminator: Discriminator) -> bool:
    """Whether `accumulate_gradients` can follow this network; it is left as it was, and so are random numbers."""
    channels, height, width = discriminator.spec.image_shape
    probed = copy.deepcopy(discriminator).cpu()
    images = torch.zeros(2, channels, height, width, requires_grad=True)
    labels = torch.zeros(2, dtype=torch.int64) if discriminator.spec.class_shares else None
    with torch.random.fork_rng(devices=[]), parametrize.cached():
        try:
            with _Record(_weights(probed)):
                dimensions: int = probed(images, labels).dim()
        except NotPiecewiseLinear:
            return False
    return dimensions == 2  # more are patches: several logits of one image


def _weights(discriminator: nn.Module) -> frozenset[int]:
    """Identities of all weights; those under a parametrisation are computed here, and once."""
    parametrised = [
        getattr(module, name)
        for module in discriminator.modules()
        if parametrize.is_parametrized(module)
        for name in module.parametrizations  # type: ignore[union-attr]  # a ModuleDict
    ]
    return frozenset(id(weight) for weight in (*discriminator.parameters(), *parametrised))


@final
class _Record(TorchFunctionMode):
    """The forward pass: remembers what the tangent pass needs, and refuses what it could not follow."""

    def __init__(self, weights: frozenset[int]) -> None:
        super().__init__()
        self._weights = weights
        self.affine: list[_Affine] = []
        self.kinks: list[Tensor] = []

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not isinstance(out, Tensor) or not out.requires_grad:
            return out
        if func in (_CONVOLUTION, _LINEAR):
            self._remember(func, out, **dict(zip(_OPERANDS, args, strict=False)), **(kwargs or {}))
        elif func in _SLOPES:
            self.kinks.append(args[0].detach())
        else:
            self._check(func, [*args, *(kwargs or {}).values()])
        return out

    def _remember(
        self, func: Function, out: Tensor, inputs: Tensor, weight: Tensor, bias: Tensor | None = None, **geometry: Any
    ) -> None:
        layer = _Affine(func, inputs.detach().to(out.dtype), weight, bias, geometry, out.dtype)
        self.affine.append(layer)

        def keep(cotangent: Tensor) -> None:
            layer.cotangent = cotangent

        out.register_hook(keep)  # type: ignore[no-untyped-call]

    def _check(self, func: Function, operands: Sequence[Any]) -> None:
        tensors = [operand for operand in operands if isinstance(operand, Tensor)]
        if func not in _HOMOGENEOUS or any(id(tensor) in self._weights for tensor in tensors):
            raise NotPiecewiseLinear(getattr(func, "__name__", str(func)))
        of_images = [tensor for tensor in tensors if tensor.requires_grad]
        if (func in _SUMS and len(of_images) < 2) or (func is Tensor.masked_fill and operands[-1] != 0):
            raise NotPiecewiseLinear("a constant is added")
        if func not in _SUMS and len(of_images) > 1:
            raise NotPiecewiseLinear("a product of two functions of the image")


@final
class _Tangent(TorchFunctionMode):
    """The tangent pass: replays the record on a direction, and makes each layer's gradient on the way."""

    def __init__(self, record: _Record, slope: Tensor) -> None:
        super().__init__()
        self._affine, self._kinks, self._slope = iter(record.affine), iter(record.kinks), slope
        self.gradients: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in (_CONVOLUTION, _LINEAR):
            return self._affine_layer(next(self._affine), args[0])
        if func in _SLOPES:
            slope = _SLOPES[func](*args, **(kwargs or {}))
            return torch.ops.aten.leaky_relu_backward(args[0], next(self._kinks), slope, False)
        return func(*args, **(kwargs or {}))

    def _affine_layer(self, layer: _Affine, tangent: Tensor) -> Tensor:
        tangent, weight = tangent.to(layer.dtype), layer.weight.detach().to(layer.dtype)
        cotangent = layer.cotangent
        assert cotangent is not None, "every layer lies between the images and the logits"
        slope = self._slope.to(layer.dtype).view(-1, *(1,) * (cotangent.dim() - 1))
        if layer.weight.requires_grad:
            mixed = torch.addcmul(tangent, layer.inputs, slope)
            self.gradients.append((layer.weight, _weight_gradient(layer, cotangent, mixed, weight)))
        if layer.bias is not None and layer.bias.requires_grad:
            axes = [axis for axis in range(cotangent.dim()) if axis != 1]
            self.gradients.append((layer.bias, (cotangent * slope).sum(axes)))
        out: Tensor = layer.function(tangent, weight, None, **layer.geometry)
        return out


def _weight_gradient(layer: _Affine, cotangent: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
    if layer.function is _LINEAR:
        return cotangent.transpose(0, 1) @ inputs
    stride, padding, dilation = (
        _pair(layer.geometry.get(name, default)) for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    groups = layer.geometry.get("groups", 1)
    gradient: Tensor = torch.ops.aten.convolution_backward(
        cotangent, inputs, weight, None, stride, padding, dilation, False, [0, 0], groups, [False, True, False]
    )[1]
    return gradient


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _accumulate(gradients: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Leaves take their gradient in their own strides; a parametrised weight hands it on to what it is made of."""
    leaves = [(weight, gradient) for weight, gradient in gradients if weight.is_leaf]
    made = [(weight, gradient) for weight, gradient in gradients if not weight.is_leaf]
    with torch.no_grad():
        for weight, gradient in leaves:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight, memory_format=torch.preserve_format)
            weight.grad += gradient
    if made:
        weights, given = zip(*((weight, gradient.to(weight.dtype)) for weight, gradient in made), strict=True)
        torch.autograd.backward(weights, given)
