"""Prefect's command line, in a process that ends with its parent: `python -m …prefect_process ARGUMENTS`."""

from __future__ import annotations

import runpy

from ganops.process import die_with_parent

if __name__ == "__main__":
    die_with_parent()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
