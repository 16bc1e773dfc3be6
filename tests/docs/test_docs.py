"""The documents are checked against what they describe."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

from ganops import bootstrap, cli
from ganops.config import CandidateConfig, Config
from ganops.provenance.code import ROOTS


def keys(section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation)


def test_every_configuration_key_is_explained(repository: Path) -> None:
    text = (repository / "docs" / "configuration.md").read_text()
    missing = [key for key in {*keys(Config), *keys(CandidateConfig)} if not re.search(rf"\b{key}\b", text)]
    assert not missing


def commands() -> set[str]:
    click = typer.main.get_command(cli.app)
    names = set(click.commands)
    return {*names - {"data"}, *(f"data {name}" for name in click.commands["data"].commands)}


def test_every_command_is_documented_and_every_documented_one_exists(repository: Path) -> None:
    text = (repository / "docs" / "cli.md").read_text()
    table = text[: text.index("By hand")]
    documented = set(re.findall(r"`(?:ganops )?((?:data )?[a-z]+)[^`]*`", table)) - {"ganops"}
    assert commands() <= documented, commands() - documented


def readme_commands(repository: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (repository / "README.md").read_text(), flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def test_the_readmes_commands_exist(repository: Path) -> None:
    known = commands()
    for line in readme_commands(repository):
        if line.startswith("ganops "):
            words = line.split()[1:]
            assert words[0] in known or " ".join(words[:2]) in known, line
    makefile = (repository / "Makefile").read_text()
    for target in ("demo", "test", "lint", "bench", "clean"):
        assert f"\n{target}:" in makefile


def test_stage_names_agree_in_pipeline_command_line_and_flow(repository: Path) -> None:
    from ruamel.yaml import YAML

    pipeline = YAML(typ="safe").load((repository / "dvc.yaml").read_text())["stages"]
    flow = bootstrap._load_flow(bootstrap.Layout(repository))
    assert list(pipeline) == [*flow.PURE_STAGES, *flow.CANDIDATE_STAGES] == list(ROOTS)
    assert set(pipeline) <= commands()
    for name, stage in pipeline.items():
        assert (stage.get("do") or stage)["cmd"].split()[:2] == ["ganops", name]


def test_the_vendor_is_not_shadowed() -> None:
    import mlflow

    assert mlflow.__version__


def test_the_vendors_work_together() -> None:
    """`pip check` does not see the versions that break at import or in the first flow."""
    code = "import dvc, great_expectations, mlflow, prefect, prefect.server.api.server, mlflow.server"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)


def test_links_in_documents_lead_somewhere(repository: Path) -> None:
    broken = []
    for path in [*repository.glob("*.md"), *repository.glob("docs/**/*.md"), *repository.glob("mlflow/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
            if not target.startswith(("http://", "https://")) and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert not broken


def test_the_lock_pins_everything_and_names_no_index(repository: Path) -> None:
    lines = (repository / "requirements.lock").read_text().splitlines()
    assert "torch==2.13.0" in lines and any(line.startswith("setuptools==") for line in lines)
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._!]+", line)] == []
    assert not [line for line in lines if line.startswith("torchvision")]


def test_the_core_imports_no_vendor() -> None:
    code = (
        "import sys\n"
        "import ganops.models, ganops.training.loop, ganops.evaluation.compare, ganops.gate, ganops.config\n"
        "vendors = 'prefect mlflow dvc great_expectations ray typer rich pandas sklearn scipy'\n"
        "print(sorted(set(vendors.split()) & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("word", ["TODO", "FIXME"])
def test_nothing_is_left_for_later(repository: Path, word: str) -> None:
    for path in [*repository.glob("src/**/*.py"), *repository.glob("flows/*.py")]:
        assert word not in path.read_text(), path
