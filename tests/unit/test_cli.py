from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from ganops import cli


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["ganops", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 2 and said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    return said.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("rum", "No such command 'rum'. Did you mean 'run'? `ganops --help`"),
        ("frobnicate", "Commands are init, demo,"),
        ("data ad x", "Did you mean 'add'? `ganops data --help`"),
        ("run --wen always", "No such option: --wen. Did you mean '--when'? `ganops run --help`"),
        ("--nope", "No such option: --nope. `ganops --help`"),
        ("train", "Missing argument 'candidate'. `ganops train --help`"),
        ("train", "what there is. Candidates of params.yaml: dcgan, lite."),
        ("-w / evaluate", "Missing argument 'candidate'. `ganops evaluate --help` says what there is."),
        (f"-w {5000 * 'x'} status", "x…: File name too long. Name an existing folder with --workspace DIR"),
        ("models --size ٨x٨", "'--size ٨x٨' is no image size"),
        ("status extra", "unexpected extra argument"),
        ("run --when never", "'--when': 'never' is not one of 'changed', 'always'. `ganops run --help`"),
        ("sample -n 0", "greater than or equal to 1"),
        ("sample -n -3", "greater than or equal to 1"),
        ("sample -n 1000000000", "less than or equal to 10000"),
        ("sample -n many", "'-n'"),
        ("sample -n", "requires an argument"),
        (f"sample --seed {2**64}", "less than or equal to 9223372036854775807"),
        ("run --seed -1", "greater than or equal to 0"),
        ("sample -o missing/folder/grid.png", "there is no folder missing/folder"),
        ("sample -o /", "/ is a folder"),
        ("data show -o missing/folder/sheet.png", "there is no folder missing/folder"),
    ],
)
def test_wrong_use_is_one_paragraph_that_names_the_nearest_right_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str, said: str
) -> None:
    assert said in refused(capsys, monkeypatch, arguments)


@pytest.mark.parametrize(("arguments", "code"), [("--version", 0), ("run --help", 0), ("", 2), ("data", 2)])
def test_help_is_no_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: str, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["ganops", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == code and "error" not in said.out + said.err and "anops" in said.out + said.err


def test_ctrl_c_says_that_it_can_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ganops.commands.versions.status", interrupted)
    monkeypatch.setattr(sys, "argv", ["ganops", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130 and "stopped: " in capsys.readouterr().err


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ganops", "score", "a\x1b[31m\u202e\udc80é.npy", "b.npy"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and r"a\x1b[31m\u202e\udc80é.npy" in said and said.isprintable()


def test_a_terminal_that_lacks_a_character_shows_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def say() -> None:
        print("Fréchet \udc80")

    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(cli, "app", lambda **_: say())
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown.flush()
    assert ended.value.code == 0 and shown.buffer.getvalue() == b"Fr?chet ?\n"  # type: ignore[attr-defined]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("length", [1, 100_000])
def test_standard_output_that_is_full_is_named_as_such(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(cli, "app", lambda **_: print(length * "x"))
        with pytest.raises(SystemExit) as ended:
            cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1 and said.count("\n") == 1
    assert said.startswith("error: Standard output cannot be written (No space left on device), so the result")


def test_standard_output_that_was_closed_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(cli, "app", lambda **_: print(sys.stdout.isatty()))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    sys.stdout.close()
    assert ended.value.code == 0


@pytest.mark.parametrize("arguments", ["status", "-w / status", "-w here status"])
def test_a_folder_that_is_gone_is_named_as_such(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: str
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "The folder that this command was started in is gone." in refused(capsys, monkeypatch, arguments)


def test_what_may_not_be_read_is_wrong_use(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "shut/params.yaml")

    monkeypatch.setattr(cli, "app", shut)
    said = refused(capsys, monkeypatch, "status")
    assert "shut/params.yaml may not be read or written by you (permission denied)" in said
