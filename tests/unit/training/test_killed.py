from __future__ import annotations

from pathlib import Path

from killing import assert_kills_change_nothing


def test_a_killed_process_resumes_to_the_same_generator(tmp_path: Path) -> None:
    """Two moments of one recipe; tests/e2e/test_kills.py has twenty of five."""
    assert_kills_change_nothing(tmp_path, "lite", kimg=1.0, kills=2, seed=1)
