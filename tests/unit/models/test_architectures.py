"""The rows of docs/models.md: the layers of each family at its default width."""

from __future__ import annotations

import torch
from torch import nn

from ganops.models import Discriminator, Generator, family_spec


def layers_of(family: str, shape: tuple[int, int, int], *kinds: type[nn.Module]) -> tuple[list[nn.Module], ...]:
    """The layers of these kinds in the generator and the discriminator, without memory behind them."""
    with torch.device("meta"):
        spec = family_spec(family, shape)
        networks = Generator(spec), Discriminator(spec)
    return tuple([layer for layer in network.modules() if isinstance(layer, kinds)] for network in networks)


def outputs(layers: list[nn.Module]) -> list[int]:
    return [getattr(layer, "out_channels", None) or layer.out_features for layer in layers]  # type: ignore[arg-type]


def test_conv_flat_never_resamples() -> None:
    for layers, image in zip(layers_of("conv_flat", (3, 20, 30), nn.Conv2d), (3, 1), strict=True):
        assert outputs(layers) == [64, 64, 64, image]
        assert all(layer.kernel_size == (3, 3) and layer.stride == (1, 1) for layer in layers)


def test_dense_dcgan() -> None:
    shape = (1, 28, 28)
    dense, (last,) = layers_of("dense_dcgan", shape, nn.Linear)
    up, _ = layers_of("dense_dcgan", shape, nn.ConvTranspose2d)
    _, down = layers_of("dense_dcgan", shape, nn.Conv2d)
    norms, _ = layers_of("dense_dcgan", shape, nn.BatchNorm1d, nn.BatchNorm2d)
    _, dropouts = layers_of("dense_dcgan", shape, nn.Dropout)
    assert outputs(dense) == [256, 512, 1024, 7 * 7 * 256]
    assert outputs(up) == [128, 64, 1]
    assert [layer.stride for layer in up] == [(1, 1), (2, 2), (2, 2)]
    assert outputs(down) == [64, 128]
    assert {layer.kernel_size for layer in up + down} == {(5, 5)}
    assert last.in_features == 7 * 7 * 128
    assert {layer.momentum for layer in norms} == {0.2}
    both, _ = layers_of("dense_dcgan", shape, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU)
    assert [isinstance(layer, nn.ReLU) for layer in both] == [True, False] * 6, "the other way round z is lost"
    assert [layer.p for layer in dropouts] == [0.3, 0.3]


def test_rgan_carries_its_input_past_every_level() -> None:
    up, _ = layers_of("rgan", (3, 64, 64), nn.ConvTranspose2d)
    (stem,), dense = layers_of("rgan", (3, 64, 64), nn.Linear)
    _, down = layers_of("rgan", (3, 64, 64), nn.Conv2d)
    assert stem.out_features == 4 * 4 * 512
    assert [(layer.in_channels, layer.out_channels) for layer in up] == [(512, 256), (768, 128), (896, 64), (960, 32)]
    assert outputs(down) == [64, 128, 256]
    assert outputs(dense) == [1024, 1]
    assert {(layer.kernel_size, layer.stride) for layer in up + down} == {((5, 5), (2, 2))}


def test_mlp_gan() -> None:
    assert [outputs(layers) for layers in layers_of("mlp_gan", (3, 8, 10), nn.Linear)] == [
        [128, 128, 240],
        [128, 128, 1],
    ]


def test_bn_conv_gan_mirrors_and_normalises_every_hidden_layer() -> None:
    up, down = layers_of("bn_conv_gan", (1, 32, 32), nn.Conv2d, nn.ConvTranspose2d)
    assert [(layer.in_channels, layer.out_channels) for layer in up] == [
        (layer.out_channels, layer.in_channels) for layer in reversed(down)
    ]
    for norms, hidden in zip(layers_of("bn_conv_gan", (1, 32, 32), nn.BatchNorm2d), (up, down), strict=True):
        assert len(norms) == len(hidden)


def test_sngan_shortcuts() -> None:
    up, down = layers_of("sngan", (3, 32, 32), nn.Conv2d)
    assert [layer.out_channels for layer in up if layer.kernel_size == (1, 1)] == [256, 128, 64]
    assert [layer.out_channels for layer in down if layer.kernel_size == (1, 1)] == [64, 128, 256, 512]


def test_r3gan_mirrors() -> None:
    up, down = layers_of("r3gan", (3, 64, 64), nn.Conv2d)
    grouped = [layer for layer in up if layer.groups > 1]
    assert len(grouped) == 2 * 5
    assert {layer.in_channels // layer.groups for layer in grouped} == {16}
    assert {layer.kernel_size for layer in grouped} == {(3, 3)}
    counts = [sum(layer.weight.numel() for layer in layers) for layers in (up, down)]
    assert counts[1] - counts[0] == 512 * 4 * 4, "the discriminator's weighted mean is the only layer more"
