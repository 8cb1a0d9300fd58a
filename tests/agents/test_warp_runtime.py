"""Warp starts without a word on a machine without a GPU; every other line on stderr comes through."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents.raycast.warp_runtime import NO_DRIVER, NVIDIA_CONTROL, without_lines

ROOT = Path(__file__).parents[2]


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)


@pytest.mark.skipif(NVIDIA_CONTROL.exists(), reason="with a GPU here the line may be a real warning")
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_making_a_renderer_prints_nothing(device: str):
    code = f"from agents.raycast.simulator import RaycastSimulator; RaycastSimulator({device!r})"
    ran = _python(code)
    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.skipif(NVIDIA_CONTROL.exists(), reason="there is a GPU here")
def test_the_doctor_still_says_that_there_is_no_gpu():
    ran = subprocess.run(
        [sys.executable, "tst.py", "doctor"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "no CUDA device: rendering and training use the CPU" in ran.stdout
    assert NO_DRIVER not in ran.stdout + ran.stderr


def test_other_lines_come_through(capfd: pytest.CaptureFixture[str]):
    with without_lines(NO_DRIVER):
        os.write(2, f"Warp CUDA warning: {NO_DRIVER}. No GPU.\nWarp CUDA error: too old\n".encode())
        os.write(2, b"and another\n")
    assert capfd.readouterr().err == "Warp CUDA error: too old\nand another\n"


def test_what_was_written_before_an_error_comes_through(capfd: pytest.CaptureFixture[str]):
    def fails() -> None:
        with without_lines(NO_DRIVER):
            os.write(2, b"a real warning\n")
            raise OSError("lost")

    with pytest.raises(OSError, match="lost"):
        fails()
    assert capfd.readouterr().err == "a real warning\n"
