"""What an ordinary user may not read is said to be that, and not damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ganops.data.array_file import read_array_file
from ganops.data.sources import open_source
from ganops.data.stored import read_array
from ganops.errors import GanOpsError
from ganops.evaluation.extractors import load_extractor
from ganops.files import read_json
from ganops.models import load_snapshot
from ganops.workspace import read_config

NOBODY = 65534


def said_to_an_ordinary_user(folder: Path, read: Callable[[], object]) -> str:
    """`class: message` of the error that `read` ends with, in a process that may not read everything, in `folder`."""
    answer, question = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)  # above which that user may not even look
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            read()
            said = "nothing"
        except BaseException as error:
            said = f"{isinstance(error, GanOpsError) and error.exit_code}: {error}"
        os.write(question, said.encode())
        os._exit(0)
    os.close(question)
    with os.fdopen(answer, "rb") as file:
        said = file.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    np.save(tmp_path / "shut.npy", np.zeros(3))
    for name in ("shut.zip", "shut.parquet", "images-idx3-ubyte", "shut.png", "shut.json", "params.yaml"):
        (tmp_path / name).write_bytes(b"something")
    for name in ("model.json", "extractor.json", "file.npy"):
        (tmp_path / "shut").mkdir(exist_ok=True)
        (tmp_path / "shut" / name).write_bytes(b"something")
    for path in tmp_path.iterdir():
        path.chmod(0)
    return tmp_path


@pytest.mark.parametrize(
    ("read", "codes"),
    [
        (lambda: read_array_file("shut.npy"), "3"),
        (lambda: read_array_file("shut/file.npy"), "3"),
        (lambda: open_source("shut.zip"), "3"),
        (lambda: open_source("shut.parquet"), "3"),
        (lambda: open_source("images-idx3-ubyte"), "3"),
        (lambda: open_source("shut.png"), "3"),
        (lambda: open_source("shut"), "3"),
        (lambda: read_json(Path("shut.json")), "2"),
        (lambda: read_array(Path("shut.npy"), np.float64, (3,), "ganops x"), "2"),
        (lambda: load_snapshot(Path("shut")), "2"),
        (lambda: load_extractor(Path("shut")), "2"),
        (lambda: read_config(Path("params.yaml")), "2"),
    ],
)
def test_what_may_not_be_read_is_named_as_that(folder: Path, read: Callable[[], object], codes: str) -> None:
    said = said_to_an_ordinary_user(folder, read)
    code, _, message = said.partition(": ")
    assert code == codes, said
    assert "may not be read by you (permission denied)" in message and "permissions of it" in message
    assert not any(word in message for word in ("damaged", "truncated", "lacks", "missing"))
    assert any(path.name in message for path in folder.iterdir())
    for path in folder.iterdir():
        path.chmod(0o755)
