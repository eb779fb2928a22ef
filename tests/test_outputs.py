"""Files are whole or not there, whatever fails; leftovers go, and nothing else does."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from thermohw import outputs
from thermohw.errors import InputError, StoreError
from thermohw.store import reserve

LEFT = ".thermohw-0123456789abcdef.tmp"


def test_a_file_is_replaced_whole_with_the_users_permissions(tmp_path):
    path = tmp_path / "x.json"
    mask = os.umask(0o027)
    try:
        outputs.write(path, "old")
        outputs.write(path, b"new" * 1000)
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"new" * 1000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["x.json"]
    assert not outputs._open


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(type(failure)):
        with outputs.replacing(path) as handle:
            os.write(handle, b"half")
            assert len(os.listdir(tmp_path)) == 2
            raise failure
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]
    assert not outputs._open


def test_names_are_never_the_same_and_links_are_not_followed(tmp_path, monkeypatch):
    names = {outputs.begin(tmp_path).name for _ in range(20)}
    assert len(names) == 20
    for name in names:
        outputs.discard(tmp_path / name)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = iter(["0123456789abcdef", "a" * 16])
    (tmp_path / LEFT).symlink_to(victim)
    monkeypatch.setattr(outputs.secrets, "token_hex", lambda n: next(planted))
    outputs.write(tmp_path / "x", "mine")
    assert victim.read_text() == "precious" and (tmp_path / LEFT).is_symlink()
    assert (tmp_path / "x").read_text() == "mine" and not (tmp_path / "x").is_symlink()


def test_a_link_in_the_place_is_replaced_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x").symlink_to(victim)
    outputs.write(tmp_path / "x", "mine")
    assert victim.read_text() == "precious" and (tmp_path / "x").read_text() == "mine"
    with pytest.raises(OSError):
        (tmp_path / ".lock").symlink_to(victim)
        outputs.open_lock(tmp_path / ".lock")
    assert victim.read_text() == "precious"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no such folders")
@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/x.html", "/proc/self/fd/{}", "/sys/x"])
def test_no_file_takes_the_place_of_a_system_link(tmp_path, place):
    """/dev/stdout of `> file` leads to a regular file; replaced, it is lost to everybody."""
    with open(tmp_path / "x", "w") as file, pytest.raises(InputError, match="device"):
        outputs.check_place(Path(place.format(file.fileno())))  # asked only, never written


def test_leftovers_are_swept_and_nothing_else_is(tmp_path):
    others = [".thermohw-0123.tmp", "thermohw-0123456789abcdef.tmp", LEFT + ".h5", ".x.123.h5.tmp"]
    others += [LEFT.upper(), ".thermohw-0123456789abcdeg.tmp"]
    for name in others:
        (tmp_path / name).write_text("not ours")
    folder = tmp_path / LEFT.replace("0", "1")
    folder.mkdir()
    os.mkfifo(tmp_path / LEFT.replace("0", "2"))
    alive = outputs.begin(tmp_path)
    (tmp_path / LEFT).write_text("of a killed run")
    outputs.write(tmp_path / "x", "")
    assert not (tmp_path / LEFT).exists() and alive.exists() and folder.is_dir()
    assert all((tmp_path / name).exists() for name in others)
    assert (tmp_path / LEFT.replace("0", "2")).exists()
    outputs.discard(alive)


def test_what_a_killed_process_leaves_is_swept_only_after_its_death(tmp_path):
    code = (
        "import sys, time, pathlib; from thermohw import outputs\n"
        "p = outputs.begin(pathlib.Path(sys.argv[1])); print(p, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    left = Path(child.stdout.readline().decode().strip())
    outputs.sweep(tmp_path)
    assert left.exists()
    child.send_signal(signal.SIGKILL)
    child.wait()
    outputs.write(tmp_path / "x", "")
    assert os.listdir(tmp_path) == ["x"]


@contextmanager
def limit(kind, value):
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (value, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


def test_full_read_only_or_exhausted_machines_say_so_on_one_line(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with limit(resource.RLIMIT_FSIZE, 1000), pytest.raises(InputError, match="too large"):
        outputs.write(path, b"0" * 5000)
    free = os.open(os.devnull, os.O_RDONLY)  # the lowest number that is not taken
    os.close(free)
    with limit(resource.RLIMIT_NOFILE, free):
        with pytest.raises(InputError, match="Too many open files"):
            outputs.write(path, b"new")
        with pytest.raises(StoreError, match="Too many open files"):
            reserve.claim(tmp_path / "run.h5", 1000, 100)
    for place, reason in (
        (tmp_path, "irectory"),
        (tmp_path / "no" / "x", "No such file"),
        (Path("/proc/self/x"), "/proc/self/x"),
        (Path("/dev/null"), "device"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            outputs.write(place, b"new")
        assert "\n" not in str(caught.value)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["x"]


def test_a_run_file_is_claimed_under_such_a_name(tmp_path):
    (tmp_path / LEFT).write_bytes(bytes(100))
    temporary = reserve.claim(tmp_path / "run.h5", 4000, 1000)
    assert outputs._NAME.fullmatch(temporary.name) and not (tmp_path / LEFT).exists()
    outputs.sweep(tmp_path)
    assert temporary.exists()
    reserve.publish(temporary, tmp_path / "run.h5")
    assert os.listdir(tmp_path) == ["run.h5"] and not outputs._open
    exchanged = reserve.claim(tmp_path / "other.h5", 4000, 1000)
    exchanged.unlink()
    exchanged.symlink_to(tmp_path / "run.h5")
    with pytest.raises(StoreError, match="exchanged"):
        reserve.publish(exchanged, tmp_path / "other.h5")
    outputs.discard(exchanged)
    assert not (tmp_path / "other.h5").exists()
    with limit(resource.RLIMIT_FSIZE, 2000), pytest.raises(StoreError):
        reserve.claim(tmp_path / "third.h5", 1500, 3000)


def test_an_interrupted_command_leaves_nothing(tmp_path):
    code = (
        "import sys, time, signal, pathlib; from thermohw import outputs\n"
        "from thermohw.cli.app import _interrupted\n"
        "signal.signal(signal.SIGINT, lambda *_: _interrupted())\n"
        "p = outputs.begin(pathlib.Path(sys.argv[1])); print(p, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    child.wait()
    assert child.returncode == 130 and not os.listdir(tmp_path)
