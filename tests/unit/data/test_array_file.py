from __future__ import annotations

import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganops.data.array_file import as_nchw, image_layout, is_array_file, read_array_file
from ganops.errors import SourceRefused, UserError

ARRAY = np.arange(24, dtype=np.float32).reshape(4, 6)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm.txt"),)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("one.npy", ARRAY)
    np.savez("one.npz", ARRAY)
    np.savez("two.npz", x=ARRAY, y=ARRAY + 1)
    np.savez("stats.npz", mu=ARRAY[0], sigma=ARRAY)
    np.save("objects.npy", np.array([Harmful()], dtype=object), allow_pickle=True)
    np.savez("objects.npz", x=np.array([Harmful()], dtype=object))
    np.array([Harmful()]).dump("pickled.npy")
    Path("empty.npy").touch()
    Path("short.npy").write_bytes(Path("one.npy").read_bytes()[:-5])
    Path("short.npz").write_bytes(Path("two.npz").read_bytes()[:-60])
    Path("text.npy").write_text("1,2,3")
    Path("text.npz").write_text("1,2,3 and no array")
    np.save("fields.npy", np.zeros(2, dtype=[("a", "O")]), allow_pickle=True)
    np.savez("none.npz")
    with zipfile.ZipFile("twice.npz", "w") as archive, warnings.catch_warnings(action="ignore"):
        for _ in range(2):
            archive.write("one.npy", "x.npy")
    shutil.copy("one.npy", "loud.NPY")
    shutil.copy("two.npz", "loud.NPZ")
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("one.npy", 0), ("one.npz", 0), ("two.npz:x", 0), ("two.npz:y", 1), ("loud.NPY", 0), ("loud.NPZ:y", 1)],
)
def test_arrays_are_read(folder: Path, spec: str, expected: float) -> None:
    assert is_array_file(spec)
    assert np.array_equal(read_array_file(spec), ARRAY + expected)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("two.npz", UserError, r"holds 2 arrays \(x, y\): name one, as two.npz:x"),
        ("two.npz:z", UserError, r"no array 'z'; it holds x, y"),
        ("missing.npy", UserError, r"no file 'missing.npy'"),
        ("missing.npz:x", UserError, r"no file 'missing.npz'"),
        ("stats.npz", SourceRefused, r"a mean and a covariance"),
        ("objects.npy", SourceRefused, r"Python objects"),
        ("objects.npz", SourceRefused, r"Python objects"),
        ("pickled.npy", SourceRefused, r"Python objects"),
        ("empty.npy", SourceRefused, r"is empty"),
        ("short.npy", SourceRefused, r"short.npy is no readable array file, or damaged"),
        ("short.npz", SourceRefused, r"short.npz is no readable array file, or damaged"),
        ("text.npy", SourceRefused, r"text.npy is no array file, whatever its name says"),
        ("text.npz", SourceRefused, r"text.npz is no array file, whatever its name says"),
        ("fields.npy", SourceRefused, r"Python objects, .* Write plain numbers"),
        ("none.npz", SourceRefused, r"none.npz holds no arrays"),
        ("none.npz:x", SourceRefused, r"none.npz holds no arrays"),
        ("twice.npz", SourceRefused, r"twice.npz holds several arrays of the name 'x'"),
        ("twice.npz:x", SourceRefused, r"twice.npz holds several arrays of the name 'x'"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_unpickled(
    folder: Path, spec: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        read_array_file(spec)
    assert not (folder / "harm.txt").exists()


@pytest.mark.parametrize(
    ("shape", "layout", "channel_first"),
    [
        ((9, 4, 5), "NHW", (9, 1, 4, 5)),
        ((9, 3, 4, 5), "NCHW", (9, 3, 4, 5)),
        ((9, 4, 5, 3), "NHWC", (9, 3, 4, 5)),
        ((9, 4, 5, 1), "NHWC", (9, 1, 4, 5)),
    ],
)
def test_images_are_turned_channel_first(shape: tuple[int, ...], layout: str, channel_first: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    turned = as_nchw(images)
    assert image_layout(shape) == layout and turned.shape == channel_first
    back = {"NHW": turned[:, 0], "NCHW": turned, "NHWC": turned.transpose(0, 2, 3, 1)}[layout]
    assert np.array_equal(back, images)


@pytest.mark.parametrize("shape", [(9, 4), (9, 4, 5, 4), (9,), (9, 1, 2, 3, 4)])
def test_other_shapes_are_no_images(shape: tuple[int, ...]) -> None:
    assert image_layout(shape) is None
