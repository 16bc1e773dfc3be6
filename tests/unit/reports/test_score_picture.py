from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont
from rich.console import Console

from ganops.evaluation.judge import SMALLER_IS_BETTER
from ganops.reports.canvas import SHARPNESS, WIDTH, Canvas, broken
from ganops.reports.score import MEANINGS, print_score, seen_by, side
from ganops.reports.score_picture import COLUMNS, Group, Strip, write_score_picture
from ganops.stages.score_request import METRICS

HOSTILE = "[red]name[/] \x1b[31m" + "long" * 80


def facts(classes: int = 2, name: str = "a.npy") -> dict[str, Any]:
    one = {"name": name, "kind": "images", "num_images": 1000, "split": "test", "sha256": "a" * 64}
    return {
        "score": "fd_classifier@abcdefgh",
        "a": one,
        "b": one,
        "train": None,
        "heldout": None,
        "metrics": {
            "fd_star": {"value": 1.5, "se": 0.1, "low": 1.3, "high": 1.7},
            "precision": {"value": 0.5, "se": 0.01, "low": 0.48, "high": 0.52},
            "coverage": {"value": 0.5, "se": None, "low": None, "high": None},
            "of_tomorrow": {"value": -3.0, "se": 0.1, "low": -3.2, "high": -2.8},
        },
        "not_applicable": {"memorisation": "needs training images (--train)"},
        "classes": [{"name": f"class {number}", "made": 1 / classes, "real": 1 / classes} for number in range(classes)],
        "protocol": {
            "extractor": "classifier",
            "extractor_sha256": "b" * 64,
            "extractor_accuracy": 0.9,
            "extractor_task": "2 classes",
            "extractor_origin": "the workspace's own",
            "dim": 64,
        },
        "notes": [f"A note on {name}."],
    }


def strips(channels: int, size: tuple[int, int], count: int = COLUMNS) -> Group:
    images = np.random.default_rng(0).integers(0, 256, (count, channels, *size), dtype=np.uint8)
    return Group("Drawn", (Strip("A", images), Strip("nearest in B", images)))


@pytest.mark.parametrize(
    ("channels", "size", "count"), [(1, (8, 8), COLUMNS), (3, (300, 200), 3), (1, (64, 64), 1), (3, (10, 400), 2)]
)
def test_images_of_every_size_fit_into_the_page(
    tmp_path: Path, channels: int, size: tuple[int, int], count: int
) -> None:
    group = strips(channels, size, count)
    write_score_picture(tmp_path / "score.png", facts(), [group])
    picture = Image.open(tmp_path / "score.png")
    assert picture.width == WIDTH * SHARPNESS and picture.mode == "RGB"
    edge = np.asarray(picture)[:, -20:]
    assert (edge == 255).all(), "the margin stays white"


def test_pixels_of_small_images_stay_as_they_are(tmp_path: Path) -> None:
    image = np.array([[[10, 200], [90, 255]]], np.uint8)[None]
    write_score_picture(tmp_path / "score.png", facts(0), [Group("", (Strip("", image),))])
    levels = np.asarray(Image.open(tmp_path / "score.png").convert("RGB")).reshape(-1, 3)
    grey = levels[(levels == levels[:, :1]).all(1), 0]
    side = 64 * SHARPNESS // 2
    assert {level: int((grey == level).sum()) // side**2 for level in (10, 90, 200)} == {10: 1, 90: 1, 200: 1}


def test_of_many_classes_those_that_differ_most_are_shown(tmp_path: Path) -> None:
    heights = []
    for count in (0, 20, 1000):
        write_score_picture(tmp_path / "score.png", facts(count), [])
        heights.append(Image.open(tmp_path / "score.png").height)
    assert heights[0] < heights[1] == heights[2]


def test_notes_and_extractor_are_wrapped_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def record(self: Canvas, x: float, y: float, said: str, *rest: Any, **named: Any) -> None:
        drawn.append(said)

    said = {**facts(), "notes": ["The first of two notes " + "goes on and on " * 20 + "to its end.", "Short."]}
    said["protocol"]["extractor_origin"] = "fitted to the labels of " + "a folder, " * 20 + "by name"
    monkeypatch.setattr(Canvas, "text", record)
    write_score_picture(tmp_path / "score.png", said, [])
    whole = " ".join(filter(None, drawn))
    assert all(note in whole.replace(" ! ", " ") for note in said["notes"]) and "a folder, by name" in whole


@pytest.mark.parametrize("said", ["one two three", "x" * 500, "short " + "y" * 300 + " and more", "é−" * 100, ""])
def test_broken_lines_fit_and_lose_nothing(said: str) -> None:
    lines = broken(said, 100)
    assert "".join(lines).replace(" ", "") == said.replace(" ", "")
    font = ImageFont.load_default(14 * SHARPNESS)
    assert all(font.getlength(line.replace("−", "-").replace("é", "e")) <= 100 * SHARPNESS for line in lines)


def test_names_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    write_score_picture(tmp_path / "score.png", facts(name=HOSTILE), [strips(1, (8, 8))])
    stream = io.StringIO()
    print_score(Console(file=stream, width=120), facts(name=HOSTILE))
    said = stream.getvalue()
    assert "[red]name[/]" in said and "\x1b" not in said
    assert "1.3 to 1.7" in said and "↓ lower" in said and "memorisation needs training images" in said


def test_each_side_and_the_extractor_in_words() -> None:
    one = {"name": "a.npy", "num_images": 1500, "split": None, "sha256": "a" * 64}
    said = [side({**one, "kind": kind}) for kind in ("images", "model", "features", "reference")]
    assert [line.removeprefix("a.npy: ").removesuffix(" (sha256 aaaaaaaa)") for line in said] == [
        "1,500 images",
        "1,500 images of a model",
        "features of 1,500 images",
        "features of 1,500 images",
    ]
    protocol = facts()["protocol"]
    assert seen_by(protocol).startswith("classifier (2 classes, 90.0% of held-out")
    own = {**protocol, "extractor": "custom", "extractor_task": "unknown", "extractor_accuracy": None, "dim": 147}
    assert seen_by(own).startswith("custom (147 features, sha256 bbbbbbbb)")


def test_every_metric_of_the_engine_is_explained_in_its_direction() -> None:
    assert set(METRICS) <= set(MEANINGS)
    for name in METRICS:
        assert (MEANINGS[name].better in ("lower", "near 0")) == (name in SMALLER_IS_BETTER)
