from __future__ import annotations

import torch

from ganops.models import ModelSpec, build_generator
from ganops.training.ema import Average, share_of

SPEC = ModelSpec("dcgan", (1, 8, 8), z_dim=4, width=4)


def test_half_of_a_change_is_left_after_a_half_life() -> None:
    generator = build_generator(SPEC)
    average = Average(generator)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter += 1.0
    before = [parameter.clone() for parameter in average.generator_ema.parameters()]
    for _ in range(10):
        average.update(generator, share_of(half_life_kimg=1.0, images_seen=10**6, step_images=100))
    for old, new in zip(before, average.generator_ema.parameters(), strict=True):
        torch.testing.assert_close(new - old, torch.full_like(old, 0.5))


def test_the_first_weights_are_soon_forgotten() -> None:
    generator = build_generator(SPEC)
    average = Average(generator)
    with torch.no_grad():
        for tensor in [*generator.parameters(), *generator.buffers()]:
            tensor += 1
    average.update(generator, share_of(half_life_kimg=1000.0, images_seen=64, step_images=64))
    averaged, current = average.generator_ema.state_dict(), generator.state_dict()
    for name, tensor in averaged.items():
        torch.testing.assert_close(tensor, current[name], rtol=0, atol=1e-5)
