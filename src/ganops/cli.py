"""The command line: one verb per line, no logic. Exit codes: 0 done, 1 failed, 2 wrong use, 3 data refused."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO, final

import typer

from ganops import __version__
from ganops.errors import GanOpsError, RunStopped, WorkspaceError
from ganops.plain_text import spelt
from ganops.process import stop_as_by_ctrl_c

app = typer.Typer(
    help="Retrain image generators on a schedule; promote only a provably better one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="The images that a workspace trains on.", no_args_is_help=True)
app.add_typer(data_app, name="data")
bench_app = typer.Typer(help="Speed and memory on this machine.", no_args_is_help=True)
app.add_typer(bench_app, name="bench")
gate_app = typer.Typer(help="The test that decides on promotions.", no_args_is_help=True)
app.add_typer(gate_app, name="gate")

keys_app = typer.Typer(help="The key that statements and models are signed with.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
audit_app = typer.Typer(help="Hold what is stated of model versions against what is there.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")

_STOPPED = 130
"""What a shell calls a program that Ctrl-C has ended."""

_WRONG_USE: type[Exception] = typer.BadParameter.__bases__[0]
"""What Typer raises for every mistake on the command line: it gives the one name only for one kind of them."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON (schema in docs/cli.md).")]
CandidateArgument = Annotated[str, typer.Argument(help="A candidate of params.yaml.")]
WhenOption = Annotated[
    Literal["changed", "always"],
    typer.Option(help="changed: train what new data or settings make stale; always: train anew with a fresh seed."),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganops {__version__}")
        raise typer.Exit


def _place(workspace: Path | None) -> Path:
    try:
        return Path.cwd() / (workspace or "")
    except FileNotFoundError:
        raise WorkspaceError(
            "The folder that this command was started in is gone. Change into one that is there, and run it again."
        ) from None


@app.callback()
def main_options(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="The workspace; else found from the working directory upward."),
    ] = None,
    version: Annotated[  # noqa: ARG001  # its callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Retrain image generators on a schedule; promote only a provably better one."""
    context.obj = _place(workspace)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="The folder to make the workspace in.")]) -> None:
    """Make a workspace: params.yaml, dvc.yaml, flows, git, DVC."""
    from ganops.commands import new

    new.init(folder)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="The folder to make the demo in.")] = Path("demo"),
    json: JsonFlag = False,
) -> None:
    """The whole path on scikit-learn's digits, in about three minutes on two idle cores."""
    from ganops.commands import new

    new.demo(folder, json)


@data_app.command("add")
def data_add(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="digits, fashion-mnist, or a path: image folder, IDX or CIFAR-10 binary folder, zip, tar, parquet."
        ),
    ],
    json: JsonFlag = False,
) -> None:
    """Add images; what is there already is dropped by sha256."""
    from ganops.commands import data

    data.add(context.obj, source, json)


@data_app.command("show")
def data_show(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the contact sheet goes (PNG).")] = None,
    json: JsonFlag = False,
) -> None:
    """Counts, sizes, modes and labels; and a contact sheet."""
    from ganops.commands import data

    data.show(context.obj, output, json)


@app.command()
def validate(context: typer.Context) -> None:
    """Stage: Great Expectations' verdict on the raw images."""
    from ganops.commands import pipeline

    pipeline.validate(context.obj)


@app.command()
def prepare(context: typer.Context) -> None:
    """Stage: decode, resize, crop and split the accepted images."""
    from ganops.commands import pipeline

    pipeline.prepare(context.obj)


@app.command()
def reference(context: typer.Context) -> None:
    """Stage: the pinned extractor and the features of each split."""
    from ganops.commands import pipeline

    pipeline.reference(context.obj)


@app.command()
def train(context: typer.Context, candidate: CandidateArgument) -> None:
    """Stage: train one candidate to its best snapshot, or go on where it was interrupted; a finished one anew."""
    from ganops.commands import pipeline

    pipeline.train(context.obj, candidate)


@app.command()
def evaluate(context: typer.Context, candidate: CandidateArgument) -> None:
    """Stage: one candidate's scores on the select split."""
    from ganops.commands import pipeline

    pipeline.evaluate(context.obj, candidate)


@bench_app.command("train")
def bench_train(
    context: typer.Context,
    kimg: Annotated[float, typer.Option(min=0, max=1e5, help="Compare what was learnt, too, after so many kimg.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="What was learnt is the median of so many seeds.")] = 3,
    family: Annotated[list[str] | None, typer.Option(help="Only this family's rows; can be given again.")] = None,
    turns: Annotated[int, typer.Option(min=1, max=1000, help="Turns of each contestant.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.01, max=3600, help="Length of a turn.")] = 3.0,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads of each.")] = os.cpu_count() or 1,
    json: JsonFlag = False,
) -> None:
    """Training's images per second, beside the usual loops on the same networks and data."""
    from ganops.commands import bench

    bench.train(context.obj, kimg, seeds, family or [], turns, seconds, threads, json)


@bench_app.command("evaluate")
def bench_evaluate(
    part: Annotated[
        list[str] | None, typer.Option(help="Only frechet, inception, neighbours or cache; can be given again.")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, max=1000, help="Turns of each; the slowest have one.")] = 3,
    weights: Annotated[
        Path | None, typer.Option(help="The published Inception weights; else random ones, which are as fast.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads of each.")] = os.cpu_count() or 1,
    json: JsonFlag = False,
) -> None:
    """Evaluation's seconds, images per second and memory, beside the usual ways to the same numbers."""
    from ganops.commands import bench

    bench.evaluate(part or [], turns, weights, threads, json)


@app.command()
def models(
    context: typer.Context,
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, else the workspace's, else 28x28x1.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """The families of networks: size, cost, source, what each is good for."""
    from ganops.commands import models

    models.table(context.obj, size, json)


@app.command()
def run(
    context: typer.Context,
    when: WhenOption = "changed",
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Write this training seed to params.yaml.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """The whole flow, once: validate, train, evaluate, register, promote if better."""
    from ganops.commands import flow

    flow.run(context.obj, when, seed, json)


@app.command()
def schedule(
    context: typer.Context,
    cron: Annotated[str, typer.Option(help="When, in cron's five fields.")] = "0 2 * * *",
    when: WhenOption = "changed",
) -> None:
    """Serve the flow on this machine, on a schedule, one run at a time, until stopped."""
    from ganops.commands import flow

    flow.schedule(context.obj, cron, when)


VersionArgument = Annotated[int, typer.Argument(min=1, help="A version of the model.")]
ByOption = Annotated[str, typer.Option("--by", help="Who says so.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; the journal keeps it.")]


@app.command()
def promote(
    context: typer.Context,
    version: Annotated[int | None, typer.Argument(min=1, help="A version; else the challenger.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, and change nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Ask the gate about a version, and make it the champion if it is better."""
    from ganops.commands import promotion

    promotion.promote(context.obj, version, dry_run, json)


@gate_app.command("calibrate")
def gate_calibrate(
    context: typer.Context,
    repeats: Annotated[int, typer.Option(min=10, max=1_000_000, help="Simulated decisions on each null.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed, the same figures.")] = 0,
    num_images: Annotated[
        int | None,
        typer.Option(min=32, max=1_000_000, help="Of either generator, else gate.num_images of params.yaml."),
    ] = None,
    distance: Annotated[
        float | None, typer.Option(min=0, help="The champion's true Fréchet distance, else the best candidate's.")
    ] = None,
    whole: Annotated[
        int, typer.Option(min=0, max=10_000, help="Decisions with every guard measured, which are slow.")
    ] = 20,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes, one thread each.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Draw the result to this PNG file.")] = None,
    json: JsonFlag = False,
) -> None:
    """How often the gate would be wrong on this workspace's data, by simulation, and what it can find."""
    from ganops.commands import gate

    gate.calibrate(context.obj, repeats, seed, num_images, distance, whole, workers, plot, json)


@app.command()
def approve(
    context: typer.Context, version: VersionArgument, by: ByOption, reason: ReasonOption, json: JsonFlag = False
) -> None:
    """Promote a version that waits for a person."""
    from ganops.commands import promotion

    promotion.approve(context.obj, version, by, reason, json)


@app.command()
def reject(
    context: typer.Context, version: VersionArgument, by: ByOption, reason: ReasonOption, json: JsonFlag = False
) -> None:
    """Refuse a version that waits for a person."""
    from ganops.commands import promotion

    promotion.reject(context.obj, version, by, reason, json)


@app.command()
def rollback(
    context: typer.Context,
    reason: ReasonOption,
    to: Annotated[int | None, typer.Option(min=1, help="A former champion; else the one before this.")] = None,
    json: JsonFlag = False,
) -> None:
    """Make an earlier champion the champion again."""
    from ganops.commands import promotion

    promotion.rollback(context.obj, to, reason, json)


@app.command()
def recover(context: typer.Context, json: JsonFlag = False) -> None:
    """Finish, or take back, a change of champion that was interrupted; every command that changes one does so first."""
    from ganops.commands import promotion

    promotion.recover(context.obj, json)


@app.command()
def doctor(
    context: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Put the registry back to what the journal says.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Make this workspace the model's owner.")] = False,
    json: JsonFlag = False,
) -> None:
    """Whether registry and journal agree, and what is open that should not be."""
    from ganops.commands import promotion

    promotion.doctor(context.obj, repair, adopt, json)


@keys_app.command("init")
def keys_init(context: typer.Context, json: JsonFlag = False) -> None:
    """Make a key to sign with: the private half stays here, the public half is committed."""
    from ganops.commands import provenance

    provenance.keys_init(context.obj, json)


@audit_app.command("verify")
def audit_verify(
    context: typer.Context,
    version: Annotated[int | None, typer.Argument(min=1, help="A version; else the champion.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every version.")] = False,
    keys: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Your own copy of a public key: only what it signed counts. May be repeated."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Whether everything is as it was stated; names each thing that is not, and ends with 1."""
    from ganops.commands import provenance

    provenance.audit_verify(context.obj, version, every, keys or (), json)


@audit_app.command("show")
def audit_show(
    context: typer.Context,
    version: VersionArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the page goes (HTML).")] = None,
) -> None:
    """A version's data, code, scores, decision and history: here, and as one page with a drawing."""
    from ganops.commands import provenance

    provenance.audit_show(context.obj, version, output)


@app.command()
def reproduce(
    context: typer.Context,
    version: VersionArgument,
    folder: Annotated[Path | None, typer.Argument(help="A new folder; else one named after the version.")] = None,
    json: JsonFlag = False,
) -> None:
    """Make a version again from its statement alone, and say whether it is the same."""
    from ganops.commands import provenance

    provenance.reproduce(context.obj, version, folder, json)


@app.command()
def status(context: typer.Context, json: JsonFlag = False) -> None:
    """The model's versions, their stages and scores, and what is stale."""
    from ganops.commands import versions

    versions.status(context.obj, json)


@app.command()
def history(
    context: typer.Context,
    all_models: Annotated[
        bool, typer.Option("--all-models", help="Of models of other names, too, that the journal knows.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """What was registered, decided and undone: when, by whom and why."""
    from ganops.commands import versions

    versions.history(context.obj, all_models, json)


@app.command()
def sample(
    context: typer.Context,
    stage: Annotated[str, typer.Option(help="The registry stage to take the model from.")] = "Production",
    version: Annotated[int | None, typer.Option(help="A version instead of a stage.")] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", min=1, max=10_000, help="How many images; by default 64, or nearly, equally of each class."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the latents.")] = 0,
    label: Annotated[
        str | None, typer.Option(help="Of one class alone, by name or number; else a row for each class there is.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the grid goes (PNG).")] = Path("grid.png"),
    json: JsonFlag = False,
) -> None:
    """A grid of images from a registered model."""
    from ganops.commands import versions

    versions.sample(context.obj, stage, version, count, seed, label, output, json)


@app.command()
def score(
    context: typer.Context,
    a: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="What is judged: a source as of `data add`, .npy or .npz (FILE.npz:KEY) of images or features, a "
            "snapshot's directory, or models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME@ALIAS.",
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The reference: any of the same.")],
    metrics: Annotated[
        list[str] | None, typer.Option(help="Only these, by name: fd_star,kid; can be given again. Else all.")
    ] = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            help="classifier or pretext (fitted now), inception[:WEIGHTS], custom:FILE.onnx, or a pinned one's "
            "directory; else the workspace's where it fits, else one that is fitted now."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="The sources' own splits: A's and B's, as train:test; or one for both.")
    ] = None,
    train: Annotated[
        str | None, typer.Option(help="Images that A's model was trained on: looks for copies of them.")
    ] = None,
    heldout: Annotated[
        str | None, typer.Option(help="Images of the same kind that it was not trained on; else B.")
    ] = None,
    num_images: Annotated[
        int | None,
        typer.Option(max=1_000_000, help="That a model makes (else 10,000); of A's images at most so many."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 2, help="Seed of latents and draws.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Where a picture of it goes (PNG).")] = None,
    cache: Annotated[bool, typer.Option(help="Keep features and fitted extractors for the next time.")] = True,
    json: JsonFlag = False,
) -> None:
    """How near A comes to B: distances, fidelity, variety, each with its interval. Needs no workspace."""
    from ganops.commands import scoring

    scoring.score(
        context.obj,
        plot=plot,
        keep=cache,
        json=json,
        a=a,
        b=b,
        metrics=tuple(name for given in metrics or () for name in given.split(",")),
        extractor=extractor,
        split=split,
        train=train,
        heldout=heldout,
        num_images=num_images,
        seed=seed,
    )


def main() -> None:
    """Run the command line; a user's mistake is one paragraph, never a traceback."""
    stop_as_by_ctrl_c()
    _print_what_can_be()
    try:
        # by itself Typer would end the process here, and frame a mistake in a box
        with redirect_stdout(_Output(sys.stdout)):
            code = app(prog_name="ganops", standalone_mode=False)
            sys.stdout.flush()
        if code == _STOPPED:
            print("stopped: what was finished is kept, and the same command goes on from there", file=sys.stderr)
        sys.exit(code or 0)
    except _WRONG_USE as error:
        if said := _wrong_use(error):
            _complain("error", said)
        sys.exit(2)
    except GanOpsError as error:
        kind = "stopped" if isinstance(error, RunStopped) else "error"
        # in the pipeline the class travels too, so that the flow can raise the same error
        _complain(f"error {type(error).__name__}" if "GANOPS_IN_PIPELINE" in os.environ else kind, str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except PermissionError as error:
        _complain("error", _forbidden(error))
        sys.exit(2)
    except OSError as error:  # a full disk, a name too long: nobody's mistake in the code
        where = f"{error.filename}: " if error.filename else ""
        _complain("error", f"{where}{error.strerror or error}.")
        sys.exit(1)


@final
class _Output:
    """Standard output that says so where it cannot be written: an OSError of its own names nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._named():
            return self._stream.write(text)

    def flush(self) -> None:
        with self._named():
            self._stream.flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with suppress(OSError):  # Python would try again at its end, and complain of it
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if isinstance(error, BrokenPipeError):
                raise
            raise GanOpsError(
                f"Standard output cannot be written ({error.strerror or error}), so the result was not printed: send "
                "it elsewhere, or make room there. What was done before that is kept."
            ) from None


def _print_what_can_be() -> None:
    """A terminal that lacks a character shows another for it; what was closed by who called shows nothing."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # as long as the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _complain(kind: str, said: str) -> None:
    """One line; what a name holds that would steer the terminal, or turn its text round, is spelt out."""
    print(f"{kind}: {spelt(' '.join(said.split()))}", file=sys.stderr)


def _forbidden(error: PermissionError) -> str:
    if error.filename is None:
        return f"{error.strerror or error}: have the permissions of the files that are named changed."
    return (
        f"{error.filename} may not be read or written by you (permission denied): have the permissions of it, or of "
        "the folders that it lies in, changed, or name another."
    )


def _wrong_use(error: Any) -> str:
    """One paragraph for a mistake on the command line; empty where the help was shown instead."""
    said = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    if not said:
        return ""
    if near := getattr(error, "possibilities", None):
        said = f"{error.message}. Did you mean '{near[0]}'?"
    elif said.startswith("No such command") and "Did you mean" not in said:
        said = f"{said}. Commands are {', '.join(error.ctx.command.commands)}"
    command = error.ctx.command_path if error.ctx else "ganops"
    said = f"{said}{'' if said.endswith('?') else '.'} `{command} --help` says what there is."
    return f"{said}{_candidates(error.ctx.obj)}" if said.startswith("Missing argument 'candidate'") else said


def _candidates(start: Path) -> str:
    from ganops import workspace

    try:
        names = workspace.load(workspace.find(start)).config.candidates
    except GanOpsError:
        return ""
    return f" Candidates of params.yaml: {', '.join(names)}."


if __name__ == "__main__":
    main()
