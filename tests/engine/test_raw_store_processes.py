from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ADD = """
import sys
from pathlib import Path
from ganops.data.raw_store import add
from ganops.data.sources import open_source
from ganops.layout import Layout

add(Layout(Path(sys.argv[1])), open_source(sys.argv[2]))
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{seed}.png")
    stores = []
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-c", ADD, str(tmp_path / hash_seed), str(tmp_path / "photos")]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": hash_seed})
        files = sorted((tmp_path / hash_seed / "data" / "raw").iterdir())
        stores.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert stores[0] and stores[0] == stores[1]
