"""What commands print."""

from __future__ import annotations

import pytest

from ganops.commands import _print_addition
from ganops.data.raw_store import AddReport


@pytest.mark.parametrize(("taken", "labels", "warned"), [(3, {}, True), (3, {"a": 1}, False), (0, {}, False)])
def test_adding_images_without_labels_says_what_will_come_of_it(
    capsys: pytest.CaptureFixture[str], taken: int, labels: dict[str, int], warned: bool
) -> None:
    _print_addition(AddReport("flat", taken, 0, (), 0, (), 10, labels, {"8x8": taken}, 1, {"L": taken}, {}))
    lines = [line for line in capsys.readouterr().out.splitlines() if "None of these has a label" in line]
    assert len(lines) == warned and all("`ganops init`" in line for line in lines)
