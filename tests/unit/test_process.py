from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import signal, sys, time
from ganops.process import stop_as_by_ctrl_c
for number in sys.argv[1:]:
    signal.signal(int(number), signal.SIG_IGN)
stop_as_by_ctrl_c()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    signal.raise_signal(signal.SIGTERM)  # as whoever is impatient sends it
    print("cleared up", flush=True)
    sys.exit(130)
"""


def sleeper(*ignored: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, *(str(int(number)) for number in ignored)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("ignored", [(), (signal.SIGINT,)], ids=["in front", "in the background"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_unwinds_as_by_ctrl_c_and_to_the_end(number: signal.Signals, ignored: tuple[int, ...]) -> None:
    with sleeper(*ignored) as process:
        process.send_signal(number)
        assert process.communicate(timeout=60)[0] == "cleared up\n"
    assert process.returncode == 130


def test_what_nohup_has_ignored_stays_ignored() -> None:
    with sleeper(signal.SIGHUP) as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
