from __future__ import annotations

import pytest
from rich.console import Console

from ganops.plain_text import spelt
from ganops.reports.terminal import Steps, print_rows, say

EVIL = "a\x1b[31m\u202e\u2066\x07\udc80\u2028\nb"
SPELT = r"a\x1b[31m\u202e\u2066\x07\udc80\u2028\nb"


def test_what_would_steer_a_terminal_is_spelt_out() -> None:
    assert spelt(EVIL) == SPELT
    assert spelt("\u200e\u061c\ufeff\x7f\x9b") == r"\u200e\u061c\ufeff\x7f\x9b"


def test_a_cell_that_holds_nothing_is_a_dash() -> None:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_rows(console, [{"from": None, "aliases": "", "to": 0}], "History", "")
    cells = [cell.strip() for cell in captured.get().splitlines()[-2].split("│")[1:-1]]
    assert cells == ["–", "–", "0"]


@pytest.mark.parametrize("text", ["", "Fréchet 2 × 3", "می\u200cخواهم", "👩\u200d💻", "שלום", "a b\u00a0c"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert spelt(text) == text


def test_nothing_that_is_printed_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    assert capsys.readouterr().out == f"{SPELT}\n"
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_rows(console, [{"name": EVIL}], "Names", "")
        Steps(console).observe("score", 1, 1, EVIL)
    assert SPELT in captured.get() and "\x1b" not in captured.get() and "\u202e" not in captured.get()
