from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ganops.errors import DamagedFile, SourceRefused, UserError
from ganops.evaluation.extractors import inception, published
from ganops.evaluation.extractors.inception import tf1_resize


def test_resizes_as_tensorflow_1_does() -> None:
    row = torch.tensor([[0.0, 8.0]]).view(1, 1, 1, 2)
    np.testing.assert_allclose(tf1_resize(row, 4)[0, 0, 0], [0, 4, 8, 8])  # read at 0, 1/2, 1, and beyond the end
    falling = torch.tensor([9.0, 6.0, 3.0, 0.0]).view(1, 1, 4, 1)
    np.testing.assert_allclose(tf1_resize(falling, 3)[0, 0, :, 0], [9, 5, 1], rtol=1e-6)  # at 0, 4/3, 8/3
    whole = torch.rand(1, 3, 299, 299)
    assert tf1_resize(whole, 299) is whole


def test_another_file_a_cut_one_and_none_are_refused(tmp_path: Path) -> None:
    torch.save({"fc.bias": torch.zeros(1008)}, tmp_path / published.NAME)
    with pytest.raises(DamagedFile, match="not the published Inception network"):
        inception(tmp_path / published.NAME)
    (tmp_path / published.NAME).write_bytes(b"")
    with pytest.raises(UserError, match="is empty"):
        inception(tmp_path / published.NAME)
    with pytest.raises(UserError, match=r"There is no file .*none\.pth.*or name no file at all"):
        inception(tmp_path / "none.pth")


def test_what_has_no_end_or_is_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (Path("/dev/zero"), tmp_path / "pipe.pth", tmp_path):
        with pytest.raises(SourceRefused, match="where a regular file is expected"):
            inception(path)
    (tmp_path / "large.pth").touch()
    os.truncate(tmp_path / "large.pth", 2**40)  # takes no room on the disk
    with pytest.raises(UserError, match="at most 200,000,000 are read"):
        inception(tmp_path / "large.pth")
