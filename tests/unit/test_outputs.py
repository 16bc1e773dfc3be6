"""Where pictures and pages may be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganops import cli
from ganops.errors import UserError
from ganops.outputs import require_place

PNG = b"\x89PNG\r\n\x1a\n"


def array(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".npy").rename(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (array, "is there already and is no PNG file"),
        (lambda path: path.write_text("<!DOCTYPE html>"), "is there already and is no PNG file"),
        (os.mkfifo, "is a pipe or a device"),
        (lambda path: path.symlink_to("/dev/null"), "is a pipe or a device"),
        (lambda path: path.mkdir(), "is a folder"),
    ],
)
def test_what_is_no_older_picture_is_not_written_over(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path / "plot.png")
    with pytest.raises(UserError, match=rf"plot\.png {said}.* --plot") as caught:
        require_place(tmp_path / "plot.png", "--plot")
    assert "cannot be written" not in str(caught.value) and str(caught.value).count("--plot") == 1


def test_an_older_picture_or_page_may_be_replaced(tmp_path: Path) -> None:
    for name, content in (("x.png", PNG), ("empty.png", b"")):
        (tmp_path / name).write_bytes(content)
        require_place(tmp_path / name)
    (tmp_path / "x.html").write_text("\n<!doctype html><html>")
    require_place(tmp_path / "x.html", content="HTML")
    require_place(tmp_path / "new.png")
    (tmp_path / "x.png").rename(tmp_path / "picture.html")
    with pytest.raises(UserError, match="is no HTML file"):
        require_place(tmp_path / "picture.html", content="HTML")


@pytest.mark.parametrize("name", ["p.jpg", "p.svg", "p.png.pdf", "p.html"])
def test_a_picture_is_not_written_under_another_formats_ending(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"ends in \.png with --plot"):
        require_place(tmp_path / name, "--plot")
    require_place(tmp_path / "p.PNG", "--plot")
    with pytest.raises(UserError, match=r"ends in \.html"):
        require_place(tmp_path / "p.png", content="HTML")


def test_what_the_command_reads_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "images" / "0.png")
    with pytest.raises(UserError, match=r"0\.png is read by this command"):
        require_place(tmp_path / "images" / "0.png", inputs=["digits", str(tmp_path / "images")])
    require_place(tmp_path / "images" / "0.png", inputs=["digits", str(tmp_path / "other")])


@pytest.mark.parametrize(
    "command",
    ["score A B --plot {}", "data show -o {}", "sample -o {}", "gate calibrate --plot {}", "audit show 1 -o {}"],
)
def test_every_command_looks_before_its_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ganops", *command.format("kept").split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "kept is there already" in capsys.readouterr().err
    assert kept.read_text() == "mine"
