from __future__ import annotations

import torch

from ganops.models import ModelSpec, build_generator, generate, to_uint8


def test_to_uint8_rounds_and_clips() -> None:
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 10 / 127.5 - 1])
    assert to_uint8(images).tolist() == [0, 0, 128, 255, 255, 10]


def test_images_do_not_depend_on_the_batch_size() -> None:
    generator = build_generator(ModelSpec("dcgan", (3, 9, 12), z_dim=4, width=4))
    whole = torch.cat(list(generate(generator, 10, seed=1, batch_size=10)))
    parts = torch.cat(list(generate(generator, 10, seed=1, batch_size=3)))
    assert whole.shape == (10, 3, 9, 12)
    assert whole.dtype == torch.uint8
    assert (whole.int() - parts.int()).abs().max() <= 1


def test_the_generator_is_left_in_its_mode() -> None:
    generator = build_generator(ModelSpec("lite", (1, 8, 8), z_dim=4, width=4)).train()
    list(generate(generator, 3, seed=0))
    assert generator.training
