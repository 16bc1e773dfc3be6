from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ganops.models.levels import COARSEST, channels, levels, resamplings

sides = st.integers(8, 256)


@given(sides, sides)
def test_levels_end_at_the_image_and_start_small(height: int, width: int) -> None:
    sizes = levels(height, width)
    assert sizes[-1] == (height, width)
    assert all(4 <= side <= COARSEST for side in sizes[0])


@given(sides, sides)
@settings(max_examples=50)
def test_kernel_and_stride_reach_every_size_exactly(height: int, width: int) -> None:
    for step in resamplings(height, width):
        for axis in (0, 1):
            coarse, fine = step.coarse[axis], step.fine[axis]
            kernel, stride = step.kernel[axis], step.stride[axis]
            assert (coarse - 1) * stride - 2 + kernel == fine
            assert (fine + 2 - kernel) // stride + 1 == coarse


def test_channels_double_towards_the_coarsest_up_to_eight_times() -> None:
    assert channels(4, 5) == [32, 32, 16, 8, 4]
