from __future__ import annotations

import math

import pytest
import torch
from tiny import SHARES, tiny_spec

from ganops.errors import SnapshotError
from ganops.models import (
    ModelSpec,
    build_generator,
    class_labels,
    generate,
    images_by_class,
    latents,
    sampling,
    to_uint8,
)


def test_to_uint8_rounds_and_clips() -> None:
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0, 10 / 127.5 - 1])
    assert to_uint8(images).tolist() == [0, 0, 128, 255, 255, 10]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_no_image(value: float) -> None:
    with pytest.raises(SnapshotError, match="not finite numbers"):
        to_uint8(torch.tensor([0.0, value, 1.0]))


def test_weights_that_overflow_make_no_image() -> None:
    generator = build_generator(tiny_spec("lite", (1, 8, 9)))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.fill_(1e38)[::2].neg_()
    with pytest.raises(SnapshotError, match="not finite numbers"):
        list(generate(generator, 8, seed=0))


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


def test_a_conditional_generator_draws_its_labels_or_makes_one_class() -> None:
    spec = tiny_spec("lite", (1, 8, 9), class_shares=SHARES)
    generator = build_generator(spec).eval()
    z = latents(1, 6, spec.z_dim)
    with torch.no_grad():
        drawn = to_uint8(generator(z, class_labels(1, 6, SHARES)))
        second = to_uint8(generator(z, torch.full((6,), 2)))
    for batch_size in (6, 4):
        assert torch.equal(torch.cat(list(generate(generator, 6, 1, batch_size))), drawn)
        assert torch.equal(torch.cat(list(generate(generator, 6, 1, batch_size, label=2))), second)
    assert not torch.equal(drawn, second)


@pytest.mark.parametrize(("shares", "each"), [((0.5, 0.0, 0.25, 0.25), 3), ((0.05,) * 20, 1)])
def test_each_class_that_occurs_is_shown_as_often_of_the_same_vectors(shares: tuple[float, ...], each: int) -> None:
    generator = build_generator(tiny_spec("lite", (1, 8, 9), class_shares=shares))
    expected = [next(generate(generator, each, 5, label=label)) for label, share in enumerate(shares) if share]
    assert torch.equal(images_by_class(generator, 8, 5), torch.cat(expected))


def test_without_classes_as_many_are_shown_as_are_asked_for() -> None:
    generator = build_generator(tiny_spec("lite", (1, 8, 9)))
    assert torch.equal(images_by_class(generator, 8, 5), next(generate(generator, 8, 5)))


@pytest.mark.parametrize(("shares", "label"), [((), 0), (SHARES, 3), (SHARES, -1)])
def test_a_class_that_is_not_there_is_a_programmers_mistake(shares: tuple[float, ...], label: int) -> None:
    generator = build_generator(tiny_spec("lite", (1, 8, 8), class_shares=shares))
    with pytest.raises(AssertionError):
        next(generate(generator, 2, 0, label=label))


def test_a_large_batch_is_made_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = build_generator(tiny_spec("dcgan", (1, 8, 9)))
    whole = next(generate(generator, 10, seed=1))
    passes: list[int] = []
    generator.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    monkeypatch.setattr(sampling, "_PIXELS_AT_ONCE", 4 * 8 * 9 + 1)
    parts = next(generate(generator, 10, seed=1))
    assert passes == [4, 4, 2]
    assert (whole.int() - parts.int()).abs().max() <= 1
