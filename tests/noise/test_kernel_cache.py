"""Where machine code is kept: a folder that only its owner can write, or nowhere."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from thermohw.noise import jit

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_made(home):
    found = jit.cache_folder()
    assert found is not None and found.parent == home / "thermohw" / "kernels" and found.is_dir()
    assert jit.cache_folder() == found


@posix
@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077, 0o000])
def test_whatever_the_umask(home, mask):
    """Where users have groups of their own the mask lets the group write: ours is private still."""
    before = os.umask(mask)
    try:
        found = jit.cache_folder()
    finally:
        os.umask(before)
    assert found is not None
    for folder in (found, found.parent, found.parent.parent):
        assert not folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), folder


@posix
@pytest.mark.parametrize("folder", ["thermohw", "thermohw/kernels", "the digest's"])
@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_others_may_write(home, folder, mode):
    found = jit.cache_folder()
    assert found is not None
    (found if folder == "the digest's" else home / folder).chmod(mode)
    assert jit.cache_folder() is None


@posix
def test_another_owner(home, monkeypatch):
    assert jit.cache_folder() is not None
    monkeypatch.setattr(os, "getuid", lambda: os.stat(home).st_uid + 1)
    assert jit.cache_folder() is None


def test_unwritable(home, monkeypatch):
    assert jit.cache_folder() is not None
    right = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: mode != os.W_OK | os.X_OK and right(p, mode))
    assert jit.cache_folder() is None


@pytest.mark.parametrize("blocked", ["cache", "cache/thermohw", "cache/thermohw/kernels"])
def test_a_file_in_the_way(home, blocked):
    place = home.parent / blocked
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("")
    assert jit.cache_folder() is None


def test_no_home_at_all(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert jit.cache_folder() is None


def test_kernels_are_kept_and_digested(home, monkeypatch, tmp_path):
    """Other sources have another folder: numba itself does not see what was inlined."""
    before = jit.cache_folder()
    changed = tmp_path / "kernels.py"
    changed.write_text("# other")
    monkeypatch.setattr(jit, "_MODULES", (*jit._MODULES, str(changed)))
    after = jit.cache_folder()
    assert after is not None and after != before


CODE = """
import numpy as np
from thermohw.noise import compiled, jit
out = np.empty((4, 3, 1), np.float32)
compiled.fill_single(np.array([1, 2], np.uint32), 0, 0, 0, out)
place = jit.cache_folder()
print(out.ravel().tolist(), place is not None and any(place.glob("**/*.fill_single-*.nbc")))
"""


def drawn_in_a_process(home: Path) -> tuple[str, str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    return done.stdout, done.stderr


def test_without_a_folder_there_is_no_crash(tmp_path):
    """Compiled anew: the same numbers, nothing left on disk. With one: kept."""
    blocked = tmp_path / "cache"
    blocked.write_text("")
    values, said = drawn_in_a_process(blocked)
    kept, quiet = drawn_in_a_process(tmp_path / "other")
    assert values.endswith("False\n") and kept.endswith("True\n")
    assert values.replace("False", "True") == kept
    again, silent = drawn_in_a_process(tmp_path / "other")
    assert again == kept and silent == ""  # nothing to compile any more
    assert quiet.count("\n") == 1 and "compiling kernels" in quiet and "kept" in quiet
    assert said.count("\n") == 2 and "compiled anew" in said and "kept" not in said


def test_damaged_code_is_made_anew(home, monkeypatch):
    """A power cut leaves files that are empty or cut short."""
    monkeypatch.setattr(jit, "_FOLDER", jit.cache_folder())
    place = jit._FOLDER
    assert place is not None

    def double(x):
        return x + x

    def numbers():
        return [double_again(3), double_again(2.5)]

    double_again = jit.kernel(double)
    assert numbers() == [6, 5.0]
    kept = [path for path in place.rglob("*.nb?")]
    assert len(kept) == 3, "an index, and code for two types"
    for cut in (0, 20):
        for path in kept:
            path.write_bytes(path.read_bytes()[:cut])
        double_again = jit.kernel(double)
        assert numbers() == [6, 5.0]
        double_again = jit.kernel(double)
        assert numbers() == [6, 5.0]
        assert sum(double_again.stats.cache_hits.values()) == 2, "kept again"


def test_a_full_disk_keeps_nothing(home, monkeypatch):
    monkeypatch.setattr(jit, "_FOLDER", jit.cache_folder())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    triple = jit.kernel(lambda x: 3 * x)
    assert triple(2) == 6


def test_without_a_compiler_at_work():
    """NUMBA_DISABLE_JIT: kernels would be Python functions, whose words overflow; one line."""
    code = (
        "from thermohw.noise import sources; import numpy as np\n"
        "print(sources.kernels(), sources._fill(np.array([1, 2], np.uint32), 0, 0, 0, (3, 1), "
        "np.dtype(np.float32)).shape)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert found.stdout == "None (4, 3, 1)\n", found.stderr
    assert found.stderr.count("\n") == 1 and "NUMBA_DISABLE_JIT is set" in found.stderr
