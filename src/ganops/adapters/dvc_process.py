"""DVC's command line, in a process that ends with the run that started it: `python -m …dvc_process ARGUMENTS`."""

from __future__ import annotations

import sys

from ganops.process import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    from dvc.cli import main

    sys.exit(main(sys.argv[1:]))
