from __future__ import annotations

import pytest
import torch
from tiny import tiny_spec
from torch import nn

from ganops.models import FAMILIES, ModelSpec, build_discriminator, build_generator, latents

SIZES = [(8, 8), (9, 13), (28, 28), (32, 32), (64, 48), (8, 256)]
PATCHES = {"conv_flat"}
UNBOUNDED = {"lite", "r3gan"}  # of lite, by a leak

# of width 4, z_dim 5, seed 3, as snapshot format 3 has them: three pixels, mean square, first logit
PINNED = {
    ("dcgan", (1, 28, 28)): ([0.03421024, 0.02573734, -0.006069562], 0.002177641, -0.01366219),
    ("dcgan", (3, 9, 13)): ([-0.06268507, 0.0995064, -0.06651556], 0.001499966, -0.004623468),
    ("dcgan", (3, 64, 48)): ([0.02074428, 0.02876836, -0.03356472], 0.003332184, -0.1803145),
    ("lite", (1, 28, 28)): ([-0.2707788, -0.2875627, -0.458515], 0.1772482, -3.302359),
    ("lite", (3, 9, 13)): ([0.5883358, 0.3843212, 0.90054], 0.2172871, -0.5818574),
    ("lite", (3, 64, 48)): ([0.1826126, 0.4188628, 0.5274059], 0.1353025, -0.05552442),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_any_size_comes_out_exactly(family: str, channels: int, size: tuple[int, int]) -> None:
    spec = tiny_spec(family, (channels, *size))
    with torch.no_grad():
        images = build_generator(spec)(torch.randn(2, spec.z_dim))
        logits = build_discriminator(spec)(images)
    assert images.shape == (2, channels, *size)
    assert images.dtype == logits.dtype == torch.float32
    assert logits.shape == ((2, 1, *size) if family in PATCHES else (2, 1))
    assert images.std() > 0
    if family not in UNBOUNDED:
        assert images.abs().max() <= 1


@pytest.mark.parametrize("family", [name for name in FAMILIES if FAMILIES[name].refusal((3, 256, 256)) is None])
def test_the_largest_size(family: str) -> None:
    spec = tiny_spec(family, (3, 256, 256))
    with torch.no_grad():
        images = build_generator(spec).eval()(torch.randn(1, spec.z_dim))
        logits = build_discriminator(spec).eval()(images)
    assert images.shape == (1, 3, 256, 256)
    assert logits.isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_equal_seeds_give_equal_weights_and_leave_torch_alone(family: str) -> None:
    spec = tiny_spec(family, (1, 8, 8))
    before = torch.get_rng_state()
    for build in (build_generator, build_discriminator):
        first, second, other = (build(spec, seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("family", "shape"), PINNED)
def test_stored_models_of_the_first_families_still_mean_the_same(family: str, shape: tuple[int, int, int]) -> None:
    spec = ModelSpec(family, shape, z_dim=5, width=4)
    with torch.no_grad():
        images = build_generator(spec, 3)(latents(0, 4, 5))
        logits = build_discriminator(spec, 3)(images)
    pixels, mean_square, logit = PINNED[family, shape]
    assert images.flatten()[100:103].tolist() == pytest.approx(pixels, rel=1e-4, abs=1e-6)
    assert images.double().square().mean().item() == pytest.approx(mean_square, rel=1e-4)
    assert logits[0].item() == pytest.approx(logit, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_says_of_batch_norm_is_so(family: str) -> None:
    spec = tiny_spec(family, (1, 28, 28))
    for build, said in (
        (build_generator, FAMILIES[family].generator_batch_norm),
        (build_discriminator, FAMILIES[family].batch_norm),
    ):
        layers = build(spec).modules()
        assert any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in layers) == said


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(3, 7, 28), (3, 28, 257), (2, 28, 28)])
def test_a_size_that_no_family_can_do_is_refused_with_those_it_can(family: str, shape: tuple[int, int, int]) -> None:
    refusal = FAMILIES[family].refusal(shape)
    assert refusal is not None
    assert ("from 8 to 256" if shape[0] != 2 else "1 or 3 channels") in refusal


def test_a_dense_layer_limits_the_size() -> None:
    family = FAMILIES["dense_dcgan"]
    assert family.refusal((3, 128, 128)) is None
    assert family.refusal((1, 256, 64)) is None
    assert "16,384 pixels in all (128x128)" in str(family.refusal((3, 129, 128)))
    with pytest.raises(AssertionError):
        build_generator(ModelSpec("dense_dcgan", (3, 256, 256), z_dim=5, width=1))


def test_only_the_baseline_is_never_promoted() -> None:
    assert [name for name, family in FAMILIES.items() if not family.promotable] == ["mlp_gan"]
    assert [name for name, family in FAMILIES.items() if family.noise_image] == ["conv_flat"]


@pytest.mark.parametrize("family", FAMILIES)
def test_memory_format_does_not_matter(family: str) -> None:
    spec = tiny_spec(family, (3, 9, 12))
    generator, discriminator = build_generator(spec).eval(), build_discriminator(spec).eval()
    z = torch.randn(3, spec.z_dim)
    with torch.no_grad():
        images = generator(z)
        logits = discriminator(images)
        generator.to(memory_format=torch.channels_last)
        discriminator.to(memory_format=torch.channels_last)
        torch.testing.assert_close(generator(z), images, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            discriminator(images.contiguous(memory_format=torch.channels_last)), logits, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_no_image_of_a_batch_knows_of_another_when_nothing_is_learned(family: str) -> None:
    spec = tiny_spec(family, (1, 9, 8))
    generator, discriminator = build_generator(spec).eval(), build_discriminator(spec).eval()
    z = torch.randn(4, spec.z_dim)
    with torch.no_grad():
        images = generator(z)
        torch.testing.assert_close(generator(z[1:2]), images[1:2], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(discriminator(images[1:2]), discriminator(images)[1:2], rtol=1e-4, atol=1e-5)
