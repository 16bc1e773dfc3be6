from __future__ import annotations

import pytest
import torch

from ganops.training.augment import Augmentation, drawn


def images(count: int = 3, channels: int = 3, height: int = 16, width: int = 24) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, height, width, generator=random, dtype=torch.float64).float() * 2 - 1


def draws(**named: float) -> torch.Tensor:
    """For three images alike; 0.5 leaves brightness, saturation, contrast and place as they are."""
    order = ("brightness", "saturation", "contrast", "down", "right", "y", "x")
    return torch.tensor([[named.get(name, 0.5) for name in order]] * 3)


def test_the_middle_of_each_range_changes_nothing() -> None:
    x = images()
    torch.testing.assert_close(Augmentation(("color", "translation"), draws()).of(x), x, atol=1e-6, rtol=0)
    assert drawn((), 0, 5, 0, 3) is None


def test_colour_is_brightness_saturation_and_contrast() -> None:
    x = images()
    torch.testing.assert_close(Augmentation(["color"], draws(brightness=0.9)).of(x), x + 0.4)
    grey = Augmentation(["color"], draws(saturation=0.0)).of(x)
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand_as(x))
    wide = Augmentation(["color"], draws(contrast=0.999999)).of(x)
    torch.testing.assert_close(wide.mean((1, 2, 3)), x.mean((1, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(wide.std((1, 2, 3)), 1.5 * x.std((1, 2, 3)), rtol=1e-4, atol=0)


def test_translation_moves_by_at_most_an_eighth_and_brings_in_zeros() -> None:
    x = images()
    up = Augmentation(["translation"], draws(down=0.0)).of(x)
    assert torch.equal(up[:, :, :-2], x[:, :, 2:])
    assert not up[:, :, -2:].any()
    right = Augmentation(["translation"], draws(right=0.999999)).of(x)
    assert torch.equal(right[..., 3:], x[..., :-3])
    assert not right[..., :3].any()


def test_cutout_hides_half_of_each_side() -> None:
    x = images() + 2.0  # no zero in it
    hidden = Augmentation(["cutout"], draws()).of(x) == 0
    assert (hidden.sum((1, 2, 3)) == 3 * 8 * 12).all()
    assert hidden[0, 0, 4:12, 6:18].all()
    corner = Augmentation(["cutout"], draws(y=0.0, x=0.0)).of(x) == 0
    assert corner[0, 0, :4, :6].all() and corner[0, 0].sum() == 4 * 6


@pytest.mark.parametrize("kind", ["color", "translation", "cutout"])
def test_the_gradient_comes_through(kind: str) -> None:
    augmentation = Augmentation([kind], draws(brightness=0.2, contrast=0.3, down=0.1, y=0.3)[:2])
    x = images(2, 1, 8, 8).double().requires_grad_(True)

    def change(values: torch.Tensor) -> torch.Tensor:
        return Augmentation(augmentation.kinds, augmentation.draws.double()).of(values.float()).double()

    (gradient,) = torch.autograd.grad(change(x).sum(), x)
    kept = {"color": 64.0, "translation": 7 * 8.0, "cutout": 64.0 - 16}
    assert gradient.sum((1, 2, 3)).tolist() == pytest.approx([kept[kind]] * 2, rel=1e-4)


def test_each_image_and_each_player_draws_its_own() -> None:
    real, fake = (drawn(("color",), 3, stream, 640, 4) for stream in (5, 6))
    assert real is not None and fake is not None
    assert not torch.equal(real.draws, fake.draws)
    assert not torch.equal(real.draws[0], real.draws[1])
    again = drawn(("color",), 3, 5, 642, 2)
    assert again is not None
    assert torch.equal(again.draws, real.draws[2:4])
