"""reproduce: a version made again from its statement alone, in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

from ganops import __version__, plain_yaml
from ganops import workspace as workspaces
from ganops.errors import DamagedFile, UserError
from ganops.files import read_text, write_text
from ganops.layout import Layout
from ganops.models.snapshot import load_snapshot
from ganops.progress import Progress, silent
from ganops.provenance import code
from ganops.provenance.facts import Facts
from ganops.provenance.machine import machine_facts, modules
from ganops.provenance.reproduction import Reproduction, code_notes, machine_notes, reproduced
from ganops.provenance.verification import differences
from ganops.stages.evaluated import require_report
from ganops.stages.facts import digests

_RESTORED = ("params.yaml", "dvc.yaml", "data/raw.dvc")
"""What is taken from a statement as it is; anything else in it is left alone."""
_CONFIG = ".dvc/config"
_COMMAND = re.compile(r"ganops (validate|prepare|reference|(train|evaluate) \$\{key\})")
"""What a stage may run: a statement was written by somebody, and its pipeline is about to be run."""


class Pipeline(Protocol):
    """What is needed of DVC in the new folder."""

    def init(self) -> None: ...

    def add(self, path: Path) -> None: ...

    def run(self, stage: str, on_line: Callable[[str], None]) -> bool: ...

    def pull(self, path: Path) -> None:
        """Bring a folder's bytes from the remote; `PipelineError` where that cannot be done."""
        ...


def reproduce(
    facts: Facts,
    folder: Path,
    pipeline_at: Callable[[Layout], Pipeline],
    from_cache: Callable[[str, Path], bool],
    progress: Progress = silent,
) -> Reproduction:
    """Make the version of `facts` again in `folder`, and say which promise held.

    pipeline_at: DVC in that folder. from_cache: fills a folder with the data of that md5, where it can.

    Raises:
        UserError: `folder` is not empty; the statement's pipeline runs something else than GanOps; the data cannot be
            had.
        DamagedFile: the data is not what was stated.
    """
    steps = ("validate", "prepare", "reference", f"train@{facts.model.candidate}", f"evaluate@{facts.model.candidate}")
    total = len(steps) + 1
    progress(0, total, "restoring the configuration and the data")
    layout = _workspace(facts, folder, pipeline_at)
    pipeline = pipeline_at(layout)
    _restore_data(facts, layout, pipeline, from_cache)
    code.refresh(layout.code)
    workspaces.load(layout).config.candidate(facts.model.candidate)
    for number, stage in enumerate(steps, start=1):
        progress(number, total, stage)
        pipeline.run(stage, _unheard)
    progress(total, total, "done")
    snapshot = load_snapshot(layout.snapshot(facts.model.candidate)).sha256
    fd = require_report(layout, facts.model.candidate).fd_star.value
    made = _inputs(read_text(layout.root / "dvc.lock"), steps)
    stated = _inputs(facts.code.workspace_files.get("dvc.lock", ""), steps)
    notes = (
        *code_notes(facts.code, __version__, modules()),
        *machine_notes(facts.machine, machine_facts()),
    )
    return reproduced(facts, snapshot, fd, made, stated, notes)


def _unheard(line: str) -> None:
    """What stages print is of no interest here."""


def _workspace(facts: Facts, folder: Path, pipeline_at: Callable[[Layout], Pipeline]) -> Layout:
    """A workspace in `folder`, with the settings of then."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder, so that nothing but the statement decides.")
    files = facts.code.workspace_files
    lost = [name for name in _RESTORED if name not in files]
    if lost:
        raise UserError(f"The statement does not hold {', '.join(lost)}: from it alone nothing can be made again.")
    _require_our_commands(files["dvc.yaml"])
    layout = workspaces.create(folder)
    pipeline_at(layout).init()
    for name in _RESTORED:
        write_text(layout.root / name, files[name])
    if _CONFIG in files:
        write_text(layout.root / _CONFIG, _remotes(files[_CONFIG]))
    return layout


def _require_our_commands(pipeline: str) -> None:
    try:
        stages = plain_yaml.load(pipeline)["stages"]
        commands = [(table.get("do") or table)["cmd"] for table in stages.values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(f"The statement's dvc.yaml cannot be read ({' '.join(str(error).split())[:200]}).") from None
    odd = [command for command in commands if not (isinstance(command, str) and _COMMAND.fullmatch(command))]
    if odd:
        raise UserError(
            f"The statement's dvc.yaml runs {str(odd[0])[:100]!r}, which is not a stage of GanOps: it is not run. Look "
            "at it (`ganops audit show`), and run it by hand if you trust it."
        )


def _remotes(config: str) -> str:
    """Of DVC's settings, where the data can be had; not where its cache lies, which is a folder of another machine."""
    settings, kept = (ConfigParser(interpolation=None, strict=False) for _ in range(2))
    try:
        settings.read_string(config)
    except ConfigError as error:
        raise DamagedFile(f"The statement's {_CONFIG} cannot be read ({' '.join(str(error).split())[:200]}).") from None
    kept["core"] = {"analytics": "false"}
    if settings.has_option("core", "remote"):
        kept["core"]["remote"] = settings["core"]["remote"]
    for section in settings.sections():
        if section.strip("'").startswith("remote "):
            kept[section] = dict(settings[section])
    text = StringIO()
    kept.write(text)
    return text.getvalue()


def _restore_data(facts: Facts, layout: Layout, pipeline: Pipeline, from_cache: Callable[[str, Path], bool]) -> None:
    if not from_cache(facts.data.dvc_md5, layout.raw):
        pipeline.pull(layout.raw)
    if odd := differences(facts.data.shards, digests(layout.raw)):
        raise DamagedFile(f"The images are not those that were stated: {'; '.join(odd[:3])}. Nothing was trained.")
    pipeline.add(layout.raw)


def _inputs(lock: str, stages: Sequence[str]) -> dict[str, str]:
    """What stages have read of each other, by its name, with the md5 that `dvc.lock` has of it, in order.

    Not what they left: that holds times and pages for people, too.
    """
    try:
        tables: Mapping[str, Any] = plain_yaml.load(lock)["stages"]
        read = [item for stage in stages for item in tables[stage]["deps"]]
        return {str(item["path"]): str(item["md5"]) for item in read if not str(item["path"]).startswith("data/code/")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
