from __future__ import annotations

import pytest
import torch
from tiny import SHARES, tiny_spec

from ganops.models import FAMILIES, build_discriminator, build_generator

LABELS = torch.tensor([0, 2, 2, 1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_logit_is_that_of_the_images_own_class(family: str) -> None:
    spec = tiny_spec(family, (1, 9, 8), class_shares=SHARES)
    discriminator = build_discriminator(spec).eval()
    images = torch.randn(4, 1, 9, 8)
    with torch.no_grad():
        every, own = discriminator.layers(images), discriminator(images, LABELS)
    assert own.shape == (4, 1, *every.shape[2:])
    assert torch.equal(own[:, 0], every[range(4), LABELS])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_label_changes_the_image_and_z_does_too(family: str) -> None:
    spec = tiny_spec(family, (3, 8, 9), class_shares=SHARES)
    generator = build_generator(spec).eval()
    z = torch.randn(1, spec.z_dim).expand(4, -1)
    with torch.no_grad():
        images = generator(z, LABELS)
        others = generator(-z, LABELS)
    assert images.shape == (4, 3, 8, 9)
    torch.testing.assert_close(images[1], images[2])
    assert not torch.allclose(images[0], images[1], atol=1e-3 * images.std().item())
    assert not torch.allclose(images[0], others[0], atol=1e-3 * images.std().item())


def test_a_label_too_few_or_too_many_is_a_programmers_mistake() -> None:
    plain, conditional = tiny_spec("lite", (1, 8, 8)), tiny_spec("lite", (1, 8, 8), class_shares=SHARES)
    images = torch.randn(4, 1, 8, 8)
    with pytest.raises(AssertionError, match="labels"):
        build_generator(plain)(torch.randn(4, 5), LABELS)
    with pytest.raises(AssertionError, match="labels"):
        build_generator(conditional)(torch.randn(4, 5))
    with pytest.raises(AssertionError, match="labels"):
        build_discriminator(plain)(images, LABELS)
    with pytest.raises(AssertionError, match="labels"):
        build_discriminator(conditional)(images)


def test_shares_of_classes_sum_to_one() -> None:
    with pytest.raises(AssertionError):
        tiny_spec("lite", (1, 8, 8), class_shares=(0.5, 0.4))
    with pytest.raises(AssertionError):
        tiny_spec("lite", (1, 8, 8), class_shares=(1.5, -0.5))
