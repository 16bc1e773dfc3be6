"""The only place that builds adapters: it reads the environment and imports each vendor lazily.

And each stage that computes with networks, within the method that runs it: torch takes seconds to import, and who only
looks (`status`, `history`, `doctor`, `audit show`) has no use for it.
"""

from __future__ import annotations

import getpass
import importlib.util
import os
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, final

from ganops import __version__
from ganops import workspace as workspaces
from ganops.adapters.dvc_pipeline import DvcPipeline, require_git
from ganops.adapters.dvc_store import DvcStore
from ganops.adapters.git_repository import GitRepository
from ganops.adapters.gx_validator import GxValidator
from ganops.adapters.key_ring import WorkspaceKeys, require_public_key
from ganops.adapters.mlflow_registry import MlflowRegistry
from ganops.adapters.mlflow_store import MlflowStore, open_store, read_store
from ganops.adapters.mlflow_tracker import MlflowTracker
from ganops.adapters.parent_run import ParentRun
from ganops.adapters.postgres_lock import postgres_lock
from ganops.adapters.prefect_server import next_run, serve, start_server
from ganops.adapters.servers import require_servers
from ganops.adapters.surroundings import surroundings
from ganops.config import MAX_SEED
from ganops.errors import FlowError, GanOpsError, UserError, WorkspaceError
from ganops.layout import Layout
from ganops.locks import waited
from ganops.plain_text import spelt
from ganops.ports import DataValidator, ModelRegistry, ModelVersion, PromotionLock
from ganops.progress import Progress
from ganops.provenance import code
from ganops.provenance.journal import Entry, Journal
from ganops.provenance.reproduction import Reproduction
from ganops.provenance.verification import Audit
from ganops.reports.findings import Finding
from ganops.reports.summary import RunSummary
from ganops.stages.agreement import require_agreement
from ganops.stages.attest import WorkspaceNotary
from ganops.stages.audit import audit
from ganops.stages.doctor import examine, lock_fault
from ganops.stages.evaluated import require_report
from ganops.stages.heads import JournalSeal
from ganops.stages.promotion import Promotion
from ganops.stages.registrar import Registrar, unsaid
from ganops.stages.registration import Registration
from ganops.stages.report import report
from ganops.stages.session import opened
from ganops.stages.sources import Sources
from ganops.stages.tags import mark_of
from ganops.workspace import Workspace, exclusive

if TYPE_CHECKING:
    from ganops.adapters.training_record import TrainingRecord

__all__ = ["App", "ParentRun", "Promotion", "Registration", "RunSummary", "When"]

When = Literal["changed", "always"]
Log = Callable[[str], None]
Observer = Callable[[str, int, int, str], None]
"""Told `(step, done, total, note)` while a flow runs; `total` is 0 while it is unknown."""


KEY_PASSWORD = "GANOPS_KEY_PASSWORD"
"""The environment's variable that holds the private key's password."""
_GLANCE_SECONDS = 1.0
"""How long who only looks waits for the promotion lock."""
_PREFECT_STEP = "start Prefect"
_EXTRAS = {"dvc": "dvc", "great-expectations": "great_expectations", "mlflow": "mlflow", "prefect": "prefect"}
"""The package's extras and the module that each brings."""

_PROGRESS = re.compile(r"progress (\d+) (\d+) ?(.*)$")
"""How a stage that nobody watches directly tells how far it is."""


def _nobody(step: str, done: int, total: int, note: str) -> None:
    """Nobody watches."""


_observer: Observer = _nobody  # a flow is called by Prefect, which passes plain data only


@final
@dataclass(frozen=True)
class App:
    """A workspace with its vendors, each made when it is first used: what a flow calls."""

    workspace: Workspace
    observe: Observer = _nobody
    slots: threading.BoundedSemaphore = field(default_factory=threading.BoundedSemaphore)
    """Places for candidates that train side by side."""
    reading: bool = False
    """Nothing is made that is not there."""

    @property
    def layout(self) -> Layout:
        return self.workspace.layout

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(self.workspace.config.candidates)

    @property
    def retries(self) -> int:
        return self.workspace.config.run.retries

    @cached_property
    def pipeline(self) -> DvcPipeline:
        """DVC, with the code digests fresh that its stages depend on: who asks nothing of it waits for neither."""
        code.refresh(self.layout.code)
        return DvcPipeline(self.layout)

    @cached_property
    def store(self) -> MlflowStore:
        made = read_store if self.reading else open_store
        return made(self.layout, self.workspace.config.model.name, os.environ)

    @cached_property
    def tracker(self) -> MlflowTracker:
        return MlflowTracker(self.store)

    @cached_property
    def registry(self) -> MlflowRegistry:
        return MlflowRegistry(self.store, self.workspace.config.model.name)

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.layout.journal, actor(os.environ))

    @cached_property
    def lock(self) -> PromotionLock:
        return promotion_lock(self.workspace, os.environ, self.journal.actor, self.say)

    @cached_property
    def registrar(self) -> Registrar:
        return Registrar(
            registry=self.registry,
            journal=self.journal,
            lock=self.lock,
            workspace=workspaces.workspace_id(self.layout),
            notary=self.notary,
            verify=self.notary.require_as_stated,
            seal=JournalSeal(self.layout, self.journal, self.keys),
            mark=self._mark,
            say=self.say,
        )

    @cached_property
    def keys(self) -> WorkspaceKeys:
        return WorkspaceKeys(self.layout, os.environ.get(KEY_PASSWORD) or None)

    @cached_property
    def notary(self) -> WorkspaceNotary:
        """States where versions come from, and holds them to it."""
        repository, data_version = GitRepository(self.layout.root), DvcPipeline(self.layout).data_version
        return WorkspaceNotary(
            self.workspace, self.registry, self.journal, self.tracker, self.keys, repository, data_version
        )

    @cached_property
    def sources(self) -> Sources:
        """Who holds a piece of what is known of versions."""
        repository, data = GitRepository(self.layout.root), DvcStore(self.layout)
        return Sources(self.workspace, self.registrar, self.tracker, self.keys, repository, data)

    def audit(self, version: int | None, keys: Sequence[Path] = ()) -> Audit:
        """Everything that is stated of a version, or of all, held against everything that is there.

        keys: public keys, an auditor's own copies: where there are some, no signature by another one counts.
        """
        if not keys:
            return audit(self.sources, version)
        for path in keys:
            require_public_key(path)
        return audit(replace(self.sources, keys=replace(self.keys, given=tuple(keys)), _read={}), version)

    def reproduce(self, version: int, folder: Path, progress: Progress) -> Reproduction:
        """Make a version again in `folder`, from its statement alone."""
        from ganops.stages.reproduce import reproduce

        facts = self.sources.require_stated(version)
        return reproduce(facts, folder, DvcPipeline, DvcStore(self.layout).restore, progress)

    @cached_property
    def record(self) -> TrainingRecord:
        from ganops.adapters.training_record import TrainingRecord

        return TrainingRecord(self.workspace, self.tracker, self.pipeline.data_version())

    def versions(self) -> Sequence[ModelVersion]:
        """The model's versions, newest first; `DamagedFile` where registry and journal disagree."""
        versions = self.registry.versions()
        workspace = workspaces.workspace_id(self.layout)
        require_agreement(self.journal, versions, self.registry.name, self.store.where, workspace)
        return versions

    def parent_run(self, name: str, flow_run: str) -> ParentRun:
        """The MLflow run that this flow run's candidates will lie under."""
        tags = {"ganops.flow_run": flow_run, "ganops.git_commit": self.pipeline.git_commit_id() or "none"}
        return ParentRun(self.tracker, name, tags)

    def run_stage(self, stage: str, log: Log) -> bool:
        """Run a stage of dvc.yaml if it is stale; returns whether it ran."""
        self.observe(stage, 0, 0, "")
        ran = self.pipeline.run(stage, self._listener(stage, log))
        self.observe(stage, 1, 1, "done")
        return ran

    def train(self, candidate: str, parent: ParentRun, log: Log) -> bool:
        """Train a candidate if it is stale, live in MLflow; returns whether it trained."""
        stage = f"train@{candidate}"

        def run(on_line: Log) -> bool:
            return self.pipeline.run(stage, on_line)

        def watch(stats: Mapping[str, Any]) -> None:
            fd = stats.get("fd")
            if fd is not None:
                log(f"{candidate}: {stats['kimg']:.0f} of {stats['total_kimg']:.0f} kimg, Fréchet distance {fd:z.2f}")

        self.observe(stage, 0, 0, "")
        trained = self.record.train(candidate, run, parent, self._listener(stage, log), watch)
        self.observe(stage, 1, 1, "done")
        return trained

    def evaluate(self, candidate: str, log: Log) -> bool:
        """Evaluate a candidate if it is stale, and add its scores to its MLflow run."""
        ran = self.run_stage(f"evaluate@{candidate}", log)
        if ran:
            report = require_report(self.layout, candidate)
            run = self.record.known_run(candidate)
            self.tracker.metrics(run, report.figures(), 0)
            self.tracker.artifacts(run, [self.layout.evaluate_dir(candidate) / "report.json"], "evaluate")
        return ran

    def register(self) -> Registration:
        """The best candidate becomes the challenger, unless that very snapshot is a version already."""
        from ganops.stages.register import register

        self.observe("register", 0, 0, "")
        registration = register(self.workspace, self.registrar, self.record.known_run)
        if registration.new and self.keys.signs_as is None:
            unsigned = f"Version {registration.version.version} is NOT SIGNED: `ganops keys init` makes a key."
            registration = replace(registration, sentence=f"{registration.sentence}. {unsigned}")
            self.say(unsigned)
        self.observe("register", 1, 1, "done")
        return registration

    def promote(self, registration: Registration) -> Promotion:
        """The gate's decision on challenger and champion, carried out."""
        return self.decide(registration.version.version)

    def decide(self, number: int, dry_run: bool = False) -> Promotion:
        """The gate's decision on version `number` and the champion, carried out unless it is a dry run."""
        from ganops.stages.promote import promote

        self.observe("promote", 0, 0, "")
        promotion = promote(self.workspace, self.registrar, number, partial(self.observe, "promote"), dry_run)
        self.observe("promote", 1, 1, "done")
        return promotion

    def approve(self, number: int, by: str, reason: str) -> Entry:
        """Promote a version that waits for a person."""
        from ganops.stages.approval import approve

        return approve(self.registrar, number, by, reason)

    def reject(self, number: int, by: str, reason: str) -> Entry:
        """Refuse a version that waits for a person."""
        from ganops.stages.approval import reject

        return reject(self.registrar, number, by, reason)

    def rollback(self, to: int | None, reason: str) -> Entry:
        """Make an earlier champion the champion again."""
        from ganops.stages.rollback import rollback

        return rollback(self.registrar, to, reason)

    def doctor(self, repair: bool, adopt: bool) -> list[Finding]:
        """What is wrong between registry and journal, and what is open around them."""
        try:
            _ = self.lock
        except UserError as error:  # it names a variable that is not set
            found = [lock_fault(error)]
        else:
            found = examine(self.registrar if repair or adopt else self._glancing, repair, adopt)
        return [*found, *surroundings(self.layout, os.environ, self.workspace.config.promotion.lock)]

    @property
    def _glancing(self) -> Registrar:
        """Who only looks does not wait for a promotion to end."""
        wanted = self.workspace.config.promotion
        promotion = wanted.model_copy(update={"timeout_seconds": min(wanted.timeout_seconds, _GLANCE_SECONDS)})
        config = self.workspace.config.model_copy(update={"promotion": promotion})
        hurried = replace(self.workspace, config=config)
        return replace(self.registrar, lock=promotion_lock(hurried, os.environ, self.journal.actor, unsaid))

    def recover(self) -> str | None:
        """Make whole what a killed promotion left; returns what was done, None where there was nothing.

        Without anything to do it takes no lock, so that nobody waits for a promotion that is going on.
        """
        intent = self.journal.open_intent(self.registry.name, self.registrar.workspace)
        change = self.registrar.recorded()
        behind = self.registrar.is_behind()
        if intent is None and (change is None or change.done) and not behind:
            return None
        with opened(self.registrar) as session:
            if session.recovered is not None:
                return session.recovered.sentence
            return (
                "The journal's end is noted in the registry, and signed where there is a key, which it was not."
                if behind
                else None
            )

    def keep(self, message: str) -> None:
        """Commit the workspace's own files, where that is wanted; what cannot be committed now, the next run does."""
        if not self.workspace.config.git.commit:
            return
        try:
            self.pipeline.commit(message)
        except GanOpsError as error:
            self.say(f"It is done, and will be committed by the next run, since git refused: {error}")

    def say(self, text: str) -> None:
        """Tell a person who waits, beside the bars or on standard error."""
        if self.observe is _nobody:
            print(text, file=sys.stderr, flush=True)
        else:
            self.observe("promotion", 0, 0, text)

    def report(
        self, changed: bool, registration: Registration, promotion: Promotion, failures: Mapping[str, str]
    ) -> RunSummary:
        """The run's page; then pointers and journal are committed."""
        self.observe("report", 0, 0, "")
        lineage = {
            "data (DVC md5)": self.pipeline.data_version(),
            "git commit": self.pipeline.git_commit_id() or "none",
            "GanOps": __version__,
        }
        summary = report(
            self.workspace, self.registry, self.journal, changed, registration, promotion, failures, lineage
        )
        if self.workspace.config.git.commit:
            self.pipeline.commit(
                f"Run: {summary.decision.replace('-', ' ')}, {summary.model} version {summary.version}"
            )
        self.observe("report", 1, 1, "done")
        return summary

    def _mark(self, entry: Entry, count: int) -> None:
        """An annotated git tag on the commit of now, where the workspace keeps its history in git."""
        if self.workspace.config.git.commit:
            name = mark_of(self.registry.name, entry, count)
            try:
                self.pipeline.mark(name, f"{entry.event}: version {entry.version}\n\njournal {count}:{entry.digest}")
            except GanOpsError as error:
                self.say(f"The git tag {name} was not made: {error}")

    def _listener(self, step: str, log: Log) -> Log:
        """Progress lines of a stage go to the observer, all others to the log."""

        def listen(line: str) -> None:
            if match := _PROGRESS.match(line):
                self.observe(step, int(match[1]), int(match[2]), match[3])
            elif line.strip():
                log(line)

        return listen


def actor(environment: Mapping[str, str]) -> str:
    """Who the journal's lines are of: GANOPS_ACTOR, else the user that this process runs as."""
    if named := environment.get("GANOPS_ACTOR", "").strip():
        return spelt(named)[:200]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def promotion_lock(
    workspace: Workspace, environment: Mapping[str, str], who: str, say: Callable[[str], None]
) -> PromotionLock:
    """What holds off other promotions: a file of the workspace, or PostgreSQL where several machines promote.

    Raises:
        UserError: params.yaml names an environment variable that is not set, or holds no DSN.
    """
    wanted = workspace.config.promotion
    holder = f"process {os.getpid()} of {who} on {socket.gethostname()}"
    if wanted.lock == "file":
        return partial(waited, workspace.layout.state / "promotion.lock", holder, wanted.timeout_seconds, say)
    dsn = wanted.lock
    if (name := dsn.removeprefix("env:")) != dsn and not (dsn := environment.get(name, "").strip()):
        raise UserError(f"promotion.lock is env:{name}, and the environment variable {name} is not set.")
    return partial(postgres_lock, dsn, workspace.config.model.name, holder, wanted.timeout_seconds, say)


def open_app(start: Path, observe: Observer | None = None, reading: bool = False) -> App:
    """The workspace at or above `start`. reading: who looks only makes no database."""
    _require_vendors()
    return replace(_opened(workspaces.load(workspaces.find(start)), observe), reading=reading)


def _opened(workspace: Workspace, observe: Observer | None = None) -> App:
    workspaces.require_writable(workspace.layout)
    return App(workspace, observe or _observer, threading.BoundedSemaphore(workspace.config.run.parallel))


def _require_vendors(*extras: str) -> None:
    wanted = extras or tuple(_EXTRAS)
    missing = [extra for extra in wanted if importlib.util.find_spec(_EXTRAS[extra]) is None]
    if missing:
        raise UserError(
            f"A workspace needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            f"Install with: pip install 'ganops[{','.join(missing)}]'."
        )


@contextmanager
def running(start: Path, when: When, seed: int | None) -> Iterator[App]:
    """The workspace, held for one run, with the run's seed in params.yaml; its stages end with the block."""
    _require_vendors()
    layout = workspaces.find(start)
    with exclusive(layout, "ganops run"):
        app = _opened(workspaces.load(layout))
        app.pipeline.data_version()
        app.recover()
        app.versions()
        app.keys.require_usable()
        app = replace(app, workspace=reseeded(app.workspace, when, seed))  # last: a run that is refused changes nothing
        if app.workspace.config.git.commit:  # so that the commit named in the lineage holds this run's settings
            app.pipeline.commit("Settings of the next run")
        app.observe(_PREFECT_STEP, 1, 1, "done")
        try:
            yield app
        finally:
            app.pipeline.stop()


def validator() -> DataValidator:
    """The judge of data."""
    return GxValidator()


def open_registry(start: Path, name: str) -> ModelRegistry:
    """The registry of a model's name, of the workspace at or above `start`, which need not be writable otherwise.

    Raises:
        UserError: there is no workspace, or no MLflow.
    """
    _require_vendors("mlflow")
    try:
        layout = workspaces.find(start)
    except WorkspaceError as error:
        raise WorkspaceError(f"models:/{name} names a model in the registry of a workspace. {error}") from None
    return MlflowRegistry(open_store(layout, name, os.environ), name)


def create_workspace(folder: Path) -> Layout:
    """`ganops init`: the files of a workspace, git, DVC."""
    require_git()
    was_there = folder.exists()
    layout = Layout(folder.resolve())
    pipeline = DvcPipeline(layout)
    try:
        workspaces.create(folder)
        pipeline.init()
        code.refresh(layout.code)
        pipeline.commit("Begin a GanOps workspace")
    except GanOpsError:
        if not was_there:  # half a workspace would look like a whole one to the next command
            shutil.rmtree(layout.root, ignore_errors=True)
        raise
    return layout


def reseeded(workspace: Workspace, when: When, seed: int | None) -> Workspace:
    """A given seed, or a fresh one, is written to params.yaml: a try that is not recorded is not repeatable."""
    now = workspace.config.seed
    if seed is None and when == "always":
        seed = (now + 1) % (MAX_SEED + 1)
    if seed is None or seed == now:
        return workspace
    workspaces.set_seed(workspace.layout, seed)
    return workspaces.load(workspace.layout)


# ---------------------------------------------------------------- Prefect


def run_flow(layout: Layout, when: When, seed: int | None, observe: Observer) -> dict[str, Any]:
    """Run the workspace's own `flows/retrain.py` once, in this process.

    Raises:
        GanOpsError: what the flow ended with; `FlowError` when Prefect itself failed.
    """
    with exclusive(layout, "ganops run"):
        _require_startable(layout)
        DvcPipeline(layout).data_version()
    prepare_prefect(layout, os.environ)
    observe(_PREFECT_STEP, 0, 0, "")
    with _observed_by(observe):
        ready = start_server(layout, os.environ, services=False)
        retrain = _load_flow(layout).retrain
        ready()
        try:
            return dict(retrain(workspace=str(layout.root), when=when, seed=seed))
        except GanOpsError:
            raise
        except Exception as error:  # Prefect raises what a flow raised, and much of its own
            raise FlowError(f"The flow 'retrain' failed: {' '.join(str(error).split())[:500]}") from error


def serve_flow(layout: Layout, cron: str, when: When) -> None:
    """Serve the flow on a cron schedule until interrupted; a run that is due while one runs is cancelled.

    Without `PREFECT_API_URL` a Prefect server of the workspace's own is started on 127.0.0.1.
    """
    prepare_prefect(layout, os.environ)
    ready = start_server(layout, os.environ, services=True)
    _load_flow(layout)  # after the server's start, which has to come before Prefect is imported
    ready()
    serve(layout, cron, {"workspace": str(layout.root), "when": when})


def check_schedule(layout: Layout, cron: str) -> datetime:
    """When a schedule would run next, once everything that can be refused before it is served was looked at.

    Raises:
        UserError: `cron` is none, or never comes; a file or a server of the workspace is not there.
    """
    due = next_run(cron, datetime.now(UTC))
    _require_startable(layout)
    return due


def _require_startable(layout: Layout) -> None:
    """What can be refused is refused at once, not when everything has been started; the flow looks again."""
    DvcPipeline(layout).require_usable()
    _flow_file(layout)
    require_servers(os.environ)


def prepare_prefect(layout: Layout, environment: Mapping[str, str]) -> None:
    """Prefect's settings are read once, when it is imported: they have to be there before."""
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        # tasks run in this very process and talk to a person through Rich; all of it is in the UI
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_ROOT_LEVEL": "WARNING",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    if "PREFECT_API_URL" not in environment:
        defaults["PREFECT_HOME"] = str(layout.state / "prefect")
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def _load_flow(layout: Layout) -> ModuleType:
    path = _flow_file(layout)
    spec = importlib.util.spec_from_file_location("ganops_workspace_retrain", path)
    assert spec is not None and spec.loader is not None, "the file's name ends in .py"
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # it is the user's own code
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{path} cannot be loaded ({why}). Mend it, or `git checkout flows/retrain.py`.") from None
    if not callable(getattr(module, "retrain", None)):
        raise UserError(f"{path} defines no flow named 'retrain'. Mend it, or `git checkout flows/retrain.py`.")
    return module


def _flow_file(layout: Layout) -> Path:
    path = layout.root / "flows" / "retrain.py"
    if not path.is_file():
        raise UserError(
            f"{path} does not exist. Restore it with `git checkout flows/retrain.py`, or copy it from a new "
            "`ganops init`."
        )
    return path


@contextmanager
def _observed_by(observer: Observer) -> Iterator[None]:
    global _observer
    before, _observer = _observer, observer
    try:
        yield
    finally:
        _observer = before
