from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganops.config import Config, parse
from ganops.data.manifest import read_manifest
from ganops.data.prepare import digests_to_array, fit, pixels
from ganops.data.prepared import load
from ganops.data.raw_store import add
from ganops.data.sources import RawImage, Refusal
from ganops.errors import ConfigError, DataRefused, TooFewImages, UserError, ValidationFailed
from ganops.layout import Layout
from ganops.stages.prepare import prepare


class Listed:
    """A source that is a list."""

    name = "listed"

    def __init__(self, items: list[RawImage | Refusal]) -> None:
        self.items, self.expected = items, len(items)

    def __iter__(self) -> Any:
        return iter(self.items)


def config(**data: Any) -> Config:
    data = {"split": {"select": 0.28, "test": 0.28}} | data
    return parse({"data": data, "candidates": {"a": {"family": "lite", "objective": "relativistic"}}})


def png(pixels_u8: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels_u8).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed: int, height: int = 8, width: int = 8, channels: int = 1) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def store(layout: Layout, arrays: list[np.ndarray], labels: str = "0123456789", split: str | None = None) -> None:
    items: list[RawImage | Refusal] = [
        RawImage(png(array), f"{n}.png", labels[n % len(labels)] if labels else None, split)
        for n, array in enumerate(arrays)
    ]
    add(layout, Listed(items))


def accept_all(layout: Layout) -> None:
    digests = read_manifest(layout.raw).column("sha256").to_pylist()
    layout.validated.mkdir(parents=True, exist_ok=True)
    (layout.validated / "verdict.json").write_text(json.dumps({"success": True}))
    np.save(layout.validated / "accepted.npy", digests_to_array(digests))


def prepared(layout: Layout, arrays: list[np.ndarray], **data: Any) -> Any:
    store(layout, arrays)
    accept_all(layout)
    return prepare(layout, config(**data))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_own_size_grey_pixels_labels_and_ids_survive(layout: Layout) -> None:
    arrays = [noise(n) for n in range(400)]
    dataset = prepared(layout, arrays)
    assert dataset.image_shape == (1, 8, 8)
    assert dataset.classes == tuple("0123456789")
    assert sum(dataset.counts.values()) == 400
    by_id = {hashlib.sha256(png(array)).digest(): (array, n % 10) for n, array in enumerate(arrays)}
    for name in ("train", "select", "test"):
        split = dataset.split(name)
        assert split.sha256 == hashlib.sha256((layout.prepared / name / "images.npy").read_bytes()).hexdigest()
        assert len(split) == dataset.counts[name]
        for image, label, digest in zip(split.images_u8, split.labels, split.ids, strict=True):
            array, expected = by_id.pop(digest.tobytes())
            assert np.array_equal(image[0], array) and label == expected
    assert not by_id


def test_the_same_input_gives_the_same_files(layout: Layout) -> None:
    prepared(layout, [noise(n) for n in range(400)])
    first = {path: path.read_bytes() for path in layout.prepared.rglob("*") if path.is_file()}
    prepare(layout, config())
    assert first == {path: path.read_bytes() for path in layout.prepared.rglob("*") if path.is_file()}


def test_an_append_never_moves_an_image(layout: Layout) -> None:
    before = prepared(layout, [noise(n) for n in range(400)])
    ids = {name: before.split(name).ids.copy() for name in ("train", "select", "test")}
    store(layout, [noise(n) for n in range(300, 500)])
    accept_all(layout)
    after = prepare(layout, config())
    for name, old in ids.items():
        assert np.array_equal(after.split(name).ids[: len(old)], old)


def test_only_accepted_images_are_used(layout: Layout) -> None:
    store(layout, [noise(n) for n in range(450)])
    accept_all(layout)
    accepted = np.load(layout.validated / "accepted.npy")
    np.save(layout.validated / "accepted.npy", accepted[50:])
    dataset = prepare(layout, config())
    assert sum(dataset.counts.values()) == 400
    used = {digest.tobytes() for name in ("train", "select", "test") for digest in dataset.split(name).ids}
    assert used == {digest.tobytes() for digest in accepted[50:]}


def test_by_source_keeps_test_images_out_of_train(layout: Layout) -> None:
    store(layout, [noise(n) for n in range(200)], split="train")
    store(layout, [noise(n) for n in range(1000, 1300)], split="test")
    accept_all(layout)
    dataset = prepare(layout, config(split={"by": "source"}))
    train = {digest.tobytes() for digest in dataset.split("train").ids}
    assert train == {hashlib.sha256(png(noise(n))).digest() for n in range(200)}


def test_by_source_without_a_sources_split_is_a_config_error(layout: Layout) -> None:
    with pytest.raises(ConfigError, match=r"data\.split\.by is 'source'"):
        prepared(layout, [noise(n) for n in range(400)], split={"by": "source"})


def test_colour_is_kept_when_most_images_have_it(layout: Layout) -> None:
    arrays = [noise(n, channels=3) for n in range(250)] + [noise(n) for n in range(150)]
    assert prepared(layout, arrays).image_shape == (3, 8, 8)
    assert prepare(layout, config(channels=1)).image_shape == (1, 8, 8)


def test_unlabelled_images_are_minus_one(layout: Layout) -> None:
    store(layout, [noise(n) for n in range(400)], labels="")
    accept_all(layout)
    dataset = prepare(layout, config())
    assert dataset.classes == ()
    assert set(dataset.split("select").labels.tolist()) == {-1}


def test_mixed_sizes_need_image_size(layout: Layout) -> None:
    arrays = [noise(n, height=10 + n % 2, width=20) for n in range(400)]
    with pytest.raises(ConfigError, match=r"10x20 \(200\), 11x20 \(200\).*data\.image_size"):
        prepared(layout, arrays)
    assert prepare(layout, config(image_size=[8, 9])).image_shape == (1, 8, 9)


def test_a_size_that_cannot_be_trained_on_needs_image_size(layout: Layout) -> None:
    with pytest.raises(ConfigError, match="300x16 pixels"):
        prepared(layout, [noise(n, height=300, width=16) for n in range(10)])


def test_too_few_images_names_counts_and_keys(layout: Layout) -> None:
    with pytest.raises(TooFewImages, match=r"at least 100.*at least 80.*data\.split\.select \(0\.28\)"):
        prepared(layout, [noise(n) for n in range(150)])
    assert not layout.prepared.exists()


def test_before_validate_it_says_so(layout: Layout) -> None:
    store(layout, [noise(0)])
    with pytest.raises(UserError, match="ganops validate"):
        prepare(layout, config())


def test_after_a_failed_validation_it_refuses(layout: Layout) -> None:
    store(layout, [noise(0)])
    accept_all(layout)
    (layout.validated / "verdict.json").write_text(json.dumps({"success": False}))
    with pytest.raises(ValidationFailed, match="last validation failed"):
        prepare(layout, config())


def test_a_verdict_on_other_images_is_refused(layout: Layout) -> None:
    store(layout, [noise(n) for n in range(400)])
    accept_all(layout)
    np.save(layout.validated / "accepted.npy", np.zeros((1, 32), np.uint8))
    with pytest.raises(DataRefused, match="no longer there"):
        prepare(layout, config())


def test_loading_touches_no_split_and_opening_checks_shapes(layout: Layout) -> None:
    prepared(layout, [noise(n) for n in range(400)])
    (layout.prepared / "test" / "images.npy").unlink()
    dataset = load(layout.prepared)
    assert dataset.split("train").images_u8.flags.writeable is False
    with pytest.raises(UserError, match="ganops prepare"):
        dataset.split("test")
    np.save(layout.prepared / "select" / "labels.npy", np.zeros(3, np.int64))
    with pytest.raises(UserError, match="does not fit"):
        dataset.split("select")


def test_loading_nothing_says_what_to_run(layout: Layout) -> None:
    with pytest.raises(UserError, match="run `ganops prepare`"):
        load(layout.prepared)


# ---------------------------------------------------------------- pixels


def test_fit_covers_and_cuts_the_middle() -> None:
    wide = np.zeros((10, 40), np.uint8)
    wide[:, 15:25] = 255
    assert np.asarray(fit(Image.fromarray(wide), 10, 10)).min() == 255


def test_fit_antialiases() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(np.asarray(fit(Image.fromarray(stripes), 8, 8)).astype(int) - 127).max() < 10


@pytest.mark.parametrize(("height", "width"), [(8, 8), (256, 9), (9, 256), (28, 28)])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (301, 13)])
def test_fit_gives_exactly_what_was_asked(height: int, width: int, size: tuple[int, int]) -> None:
    assert fit(Image.new("L", size, 77), height, width).size == (width, height)
    assert pixels(png(np.full(size, 77, np.uint8)), (3, height, width)).shape == (3, height, width)
