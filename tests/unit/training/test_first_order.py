from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ganops.config import CandidateConfig
from ganops.models import Discriminator, ModelSpec, build_discriminator
from ganops.training.first_order import NotPiecewiseLinear, accumulate_gradients, follows
from ganops.training.inputs import Inputs
from ganops.training.state import fresh_state
from ganops.training.step import train_step

COUNT = 6


def _discriminator(family: str, class_shares: tuple[float, ...] = ()) -> Discriminator:
    """In float64, with biases that matter."""
    network = build_discriminator(ModelSpec(family, (1, 13, 16), 16, 16, class_shares)).double()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for parameter in network.parameters():
            nn.init.normal_(parameter, 0.0, 0.2)
    return network


def _images(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(COUNT, 1, 13, 16, generator=torch.Generator().manual_seed(2)).to(dtype)


def _loss(logits: Tensor) -> Tensor:
    return softplus(logits[: COUNT // 2] - logits[COUNT // 2 :]).mean()


def _zero_centred(gradient: Tensor) -> Tensor:
    return 0.7 * gradient.square().sum(dim=(1, 2, 3)).mean()


def _one_centred(gradient: Tensor) -> Tensor:
    return 10 * (gradient.square().sum(dim=(1, 2, 3)).sqrt() - 1).square().mean()


def _by_double_backward(
    network: nn.Module, logits_of: Callable[[Tensor], Tensor], penalty: Callable[[Tensor], Tensor], images: Tensor
) -> Tensor:
    images = images.clone().requires_grad_(True)
    logits = logits_of(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    total = _loss(logits.float() if images.dtype == torch.float32 else logits) + penalty(gradient)
    total.backward()  # type: ignore[no-untyped-call]
    return total.detach()


@pytest.mark.parametrize("penalty", [_zero_centred, _one_centred])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("family", ["lite", "r3gan", "rgan", "mlp_gan", "sngan"])
def test_equals_double_backward(family: str, conditional: bool, penalty: Callable[[Tensor], Tensor]) -> None:
    network = _discriminator(family, (0.5, 0.5) if conditional else ())
    other = copy.deepcopy(network)  # spectral norm's vectors move with each forward pass
    labels = torch.arange(COUNT) % 2 if conditional else None
    images = _images()
    expected = _by_double_backward(other, lambda x: other(x, labels), penalty, images)
    logits, loss, penalised = accumulate_gradients(network, lambda x: network(x, labels), images, _loss, penalty)
    assert logits.shape == (COUNT, 1)
    torch.testing.assert_close(loss.double() + penalised, expected, rtol=1e-6, atol=1e-6)  # logits leave as float32
    for (name, parameter), twin in zip(network.named_parameters(), other.parameters(), strict=True):
        assert parameter.grad is not None and twin.grad is not None, name
        scale = max(twin.grad.abs().max().item(), 1e-3)
        torch.testing.assert_close(parameter.grad, twin.grad, rtol=0, atol=1e-6 * scale, msg=name)


def test_gradients_are_added_to_what_is_there() -> None:
    network = _discriminator("lite")
    images = _images()
    accumulate_gradients(network, network, images, _loss, _zero_centred)
    once = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
    accumulate_gradients(network, network, images, _loss, _zero_centred)
    for parameter, gradient in zip(network.parameters(), once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)


def test_gradients_keep_the_strides_of_their_weights() -> None:
    network = _discriminator("lite").float().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    accumulate_gradients(network, network, _images(torch.float32), _loss, _zero_centred)
    for parameter in network.parameters():
        assert parameter.grad is not None and parameter.grad.stride() == parameter.stride()


def test_bfloat16_is_as_near_as_double_backward_is() -> None:
    exact, near, twice = (copy.deepcopy(_discriminator("lite")) for _ in range(3))
    _by_double_backward(exact, exact, _zero_centred, _images())
    near, twice = near.float(), twice.float()
    with torch.autocast("cpu", torch.bfloat16):
        accumulate_gradients(near, near, _images(torch.float32), _loss, _zero_centred)
        _by_double_backward(twice, twice, _zero_centred, _images(torch.float32))

    def error(network: nn.Module) -> float:
        pairs = zip(network.parameters(), exact.parameters(), strict=True)
        differences = [((a.grad - b.grad).norm() / b.grad.norm().clamp(min=1e-6)).item() for a, b in pairs]  # type: ignore[operator,union-attr]
        return max(differences)

    assert error(near) < max(2 * error(twice), 0.02)


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Flatten(), nn.Linear(208, 4), nn.Tanh(), nn.Linear(4, 1)],
        [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(616, 1)],
        [nn.Flatten(), nn.Linear(208, 4), nn.Dropout(0.5), nn.Linear(4, 1)],
        [nn.Conv2d(1, 1, 3)],
        [nn.Flatten(), nn.Linear(208, 4), nn.LayerNorm(4), nn.Linear(4, 1)],
    ],
)
def test_what_it_cannot_follow_is_refused_and_nothing_changed(layers: list[nn.Module]) -> None:
    network = nn.Sequential(*layers).double()
    with pytest.raises(NotPiecewiseLinear):
        accumulate_gradients(network, network, _images(), _loss, _zero_centred)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_weight_outside_of_an_affine_layer_is_refused() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.scale = nn.Linear(208, 1), nn.Parameter(torch.ones(1))

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.layer(images.flatten(1)) * self.scale
            return logits

    network = Scaled().double()
    with pytest.raises(NotPiecewiseLinear):
        accumulate_gradients(network, network, _images(), _loss, _zero_centred)


@pytest.mark.parametrize(
    ("family", "followed"),
    [("lite", True), ("r3gan", True), ("sngan", True), ("conv_flat", False), ("dense_dcgan", False), ("dcgan", False)],
)
def test_it_is_known_beforehand_what_can_be_followed(family: str, followed: bool) -> None:
    network = _discriminator(family).float()
    before = copy.deepcopy(network.state_dict())
    random = torch.random.get_rng_state()
    assert follows(network) is followed
    assert torch.equal(torch.random.get_rng_state(), random)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("penalty", ["r1", "r2", "r1_r2", "gp"])
@pytest.mark.parametrize("family", ["lite", "sngan"])
def test_a_step_is_the_same_either_way(family: str, penalty: str) -> None:
    candidate = CandidateConfig(family=family, objective="relativistic", gamma=2.0, penalty=penalty, z_dim=8, width=8)
    images_u8 = np.random.default_rng(0).integers(0, 256, (32, 1, 12, 9), dtype=np.uint8)
    spec = ModelSpec(family, (1, 12, 9), 8, 8)
    learned = []
    for first_order in (True, False):
        state = fresh_state(spec, candidate, 0, torch.device("cpu"), "float32", 8)
        assert state.first_order
        state.first_order = first_order
        inputs = Inputs(images_u8, None, spec, candidate, 8, 0, 1000, torch.device("cpu"))
        figures = train_step(state, candidate, 2.0, [inputs.at(0)])
        learned.append((figures, [parameter.grad for parameter in state.discriminator.parameters()]))
    (figures, gradients), (other_figures, other_gradients) = learned
    torch.testing.assert_close(figures, other_figures, rtol=1e-4, atol=1e-5)
    for gradient, other in zip(gradients, other_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-5)
