"""thermohw experiment, as a stranger uses it: lists, exit codes, kills."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thermohw.study import study_names

TOY = Path(__file__).parent.parent / "study" / "toy_averages.py"


def thermohw(*words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "thermohw", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,  # Ctrl-C goes to a whole group
    )


def finish(process, seconds=120):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def outcome(*words):
    return finish(thermohw(*words))


def computed(diary):
    """(n, repeat) of every call of compute."""
    return [tuple(line.split()[:2]) for line in diary.read_text().splitlines()]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def group_is_gone(leader):
    """Whether no process of a group is left (the dead that nobody has asked about do not count)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, group = stat.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(group) == leader and state != "Z":
            return False
    return True


def test_list_names_studies_and_specs(shell):
    status, out, err = shell("experiment", "list")
    assert status == 0, err
    assert all(name in out for name in study_names())
    assert "cannot be imported" not in out and "defines no" not in out
    assert "SPEC of one run: thermohw run mixture_rc" in out


def test_a_run_tells_and_its_status_says_whether_checks_hold(shell, tmp_path):
    words = ["experiment", "run", TOY, "--quick", "--workers", 1, "--out", tmp_path / "a"]
    status, out, err = outcome(*words)
    assert status == 0, err
    assert "rms.1024" in out and "holds" in out and "it falls" in out and "index.html" in out
    assert len(err.splitlines()) == 4 and "toy_averages: 4/4 n=1024 repeat=1" in err
    origin = json.loads((tmp_path / "a" / "results.json").read_text())["provenance"]
    assert (
        origin["command"].startswith("thermohw experiment run") and "--quick" in origin["command"]
    )
    status, out, _ = shell(*words, "--set", "factor=0.001")
    assert status == 1 and "violated" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nothing_here"], "no study of that name"),
        (["nothing_here.py"], "no such study file"),
        (["mixture_rc"], "thermohw run mixture_rc"),
        ([TOY, "--set", "size=3"], "unknown parameter 'size'; known: sizes, repeats"),
        ([TOY, "--set", "repeats=many"], "expected a whole number"),
        ([TOY, "--set", "repeats=0"], "nothing to compute"),
        ([TOY, "--workers", "0"], "--workers"),
        ([TOY, "--quik"], "--quik"),
    ],
)
def test_mistakes_are_one_line_and_status_two(shell, tmp_path, words, expected):
    status, _, err = shell("experiment", "run", *words, "--out", tmp_path / "a")
    assert status == 2 and len(err.strip().splitlines()) == 1 and expected in err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_study_goes_on_and_leaves_no_worker(shell, tmp_path, monkeypatch, blow):
    """Four cells of no time, then four of a minute on two workers, stopped among the latter."""
    diary, out = tmp_path / "diary", tmp_path / "a"
    words = ["experiment", "run", TOY, "--out", out, "--workers", 2]
    first = thermohw(*words, TOY_DIARY=str(diary), TOY_SLEEP="60")
    wait_for(lambda: len(list(out.glob("cells/*.npz"))) == 4 and len(computed(diary)) == 6)
    (os.killpg if blow == signal.SIGINT else os.kill)(first.pid, blow)
    status, _, err = finish(first, 30)
    wait_for(lambda: group_is_gone(first.pid), 20)
    assert status == (-9 if blow == signal.SIGKILL else 130)
    if blow == signal.SIGINT:
        assert "the same command goes on" in err and "Traceback" not in err
    assert len(list(out.glob("cells/*.npz"))) == 4
    diary.unlink()
    monkeypatch.setenv("TOY_DIARY", str(diary))
    status, _, err = shell(*words[:-1], 1)
    assert status == 0 and "4 of 8 cells are already there" in err
    assert sorted(computed(diary)) == [("1024", str(repeat)) for repeat in range(4)]


def test_two_runs_in_one_folder(shell, tmp_path):
    out, diary = tmp_path / "a", tmp_path / "diary"
    words = ["experiment", "run", TOY, "--quick", "--workers", 1, "--out", out]
    words += ["--set", "sizes=1024"]
    first = thermohw(*words, TOY_SLEEP="60", TOY_DIARY=str(diary))
    try:
        wait_for(diary.exists)
        status, _, err = shell(*words)
        assert status == 2 and "another run is at work here" in err
    finally:
        first.kill()
        finish(first)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "bound_closed_forms"], "is a study, not the SPEC of one run"),
        (["report", "unfinished"], "holds an unfinished study"),
        (["experiment"], ""),
    ],
)
def test_rooms_confused_are_told_apart(shell, tmp_path, monkeypatch, words, expected):
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "study.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    status, _, err = shell(*words)
    assert status == 2 and expected in err
    assert len(err.splitlines()) == (1 if expected else 0)  # the bare command shows its help
