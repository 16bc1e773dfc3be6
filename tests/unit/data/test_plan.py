from __future__ import annotations

import hashlib

import pyarrow as pa

from ganops.config import DataConfig
from ganops.data.manifest import MANIFEST
from ganops.data.prepare import digests_to_array, plan


def test_labels_of_thousands_of_digits_are_sorted_as_numbers() -> None:
    """Python itself converts no more than 4,300 digits."""
    names = ["10", "9", "009", "1" * 5000, "0"]
    rows = [
        {
            "path": f"{number}.png", "label": names[number % len(names)], "split": None, "source": "s", "width": 8,
            "sha256": hashlib.sha256(str(number).encode()).hexdigest(), "height": 8, "mode": "L", "brightness": 1.0,
            "contrast": 1.0, "constant": False,
        }
        for number in range(1000)
    ]  # fmt: skip
    manifest = pa.Table.from_pylist(rows, schema=MANIFEST)
    accepted = digests_to_array([str(row["sha256"]) for row in rows])
    assert plan(manifest, accepted, DataConfig()).classes == ("0", "009", "9", "10", "1" * 5000)
