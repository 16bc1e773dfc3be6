"""torchrun, in a process that ends with the stage that started it: `python -m … PARENT FOLDER ARGUMENTS`.

Killed by SIGKILL, torchrun alone would leave its ranks at work; they watch this process as it watches its parent.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ganops.files import write_json
from ganops.process import die_with_parent

AGENT = "GANOPS_TORCHRUN"
"""Environment variable: the process id of torchrun, for its ranks."""
EXITS = "exits.json"
"""In FOLDER: the exit code of each rank that did not end well, by rank; less than 0 is a signal."""

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.environ[AGENT] = str(os.getpid())
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main(sys.argv[3:])
    except ChildFailedError as error:
        exits = {failure.local_rank: failure.exitcode for failure in error.failures.values()}
        write_json(Path(sys.argv[2]) / EXITS, exits)
        sys.exit(1)
