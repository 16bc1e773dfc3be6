from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops.reports.grid import SheetRow, contact_sheet, grid_image, write_contact_sheet, write_grid


def noise(count: int, channels: int = 1, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_where_it_belongs(channels: int) -> None:
    images = noise(7, channels, side=5)
    grid = np.asarray(grid_image(images, columns=3, scale=1, padding=2))
    assert grid.shape[:2] == (3 * 7 + 2, 3 * 7 + 2)
    for index, image in enumerate(images):
        top, left = 2 + index // 3 * 7, 2 + index % 3 * 7
        cut = grid[top : top + 5, left : left + 5]
        assert np.array_equal(cut if channels == 1 else cut.transpose(2, 0, 1), image[0] if channels == 1 else image)


def test_enlargement_keeps_pixels_sharp() -> None:
    images = noise(4)
    small, large = (np.asarray(grid_image(images, scale=scale)) for scale in (1, 3))
    assert np.array_equal(large, small.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize(("count", "side"), [(64, 8), (64, 28), (100, 8), (64, 64), (16, 32)])
def test_small_images_come_out_at_a_size_for_people(count: int, side: int) -> None:
    assert 480 <= grid_image(noise(count, side=side)).width <= 820


def test_written_grid_is_a_png_and_repeats(tmp_path: Path) -> None:
    images = noise(4, 3)
    write_grid(tmp_path / "deep" / "a.png", images)
    write_grid(tmp_path / "b.png", images)
    assert (tmp_path / "deep" / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "b.png").format == "PNG"


def test_a_contact_sheet_has_a_title_left_of_each_row(tmp_path: Path) -> None:
    rows = [SheetRow("a label", np.zeros((3, 1, 8, 8), np.uint8)), SheetRow("", np.zeros((2, 1, 8, 8), np.uint8))]
    titled, untitled = contact_sheet(rows), contact_sheet([SheetRow("", row.images_u8) for row in rows])
    assert titled.height == untitled.height and titled.width > untitled.width
    margin = np.asarray(titled.convert("L"))[:, : titled.width - untitled.width]
    assert margin[: titled.height // 2].min() < 128 and margin[titled.height // 2 :].min() == 255
    write_contact_sheet(tmp_path / "sheet.png", rows)
    assert Image.open(tmp_path / "sheet.png").size == titled.size


def test_wrong_arrays_are_a_programmers_mistake() -> None:
    with pytest.raises(AssertionError):
        grid_image(noise(4).astype(np.float32))
