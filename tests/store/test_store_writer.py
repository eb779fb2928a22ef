"""Writing: where files may go, what full disks and misuse do, how much memory it takes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from store.toy import SPEC, produce, toy_layout, toy_parameters

from thermohw.errors import StoreError
from thermohw.store import Layout, Result, RunReader, RunWriter, content_hash, verify

ROOT = Path(__file__).parents[2]


def python(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment,
    )


def refused(path: Path, match: str) -> None:
    with pytest.raises(StoreError, match=match) as caught:
        RunWriter.create(path, toy_layout(), toy_parameters())
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_paths_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("precious")
    refused(tmp_path / "file", "exists already.*--resume")
    refused(tmp_path, "is a folder")
    refused(tmp_path / "file" / "run.h5", "is a file, not a folder")
    refused(tmp_path / "absent" / "run.h5", "does not exist: create it")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    refused(tmp_path / "dangling", "exists already")
    assert (tmp_path / "file").read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dangling", "file"], (
        "nothing is left behind"
    )


def test_a_folder_without_permission():
    """Root may write anywhere, so root becomes nobody for the attempt."""
    nobody = 65534
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o555)
        root = os.geteuid() == 0
        try:
            if root:
                os.seteuid(nobody)
            refused(folder / "run.h5", "not writable|can be made")
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_folder_that_takes_no_files():
    if not Path("/proc/self").exists():
        pytest.skip("no /proc")
    refused(Path("/proc/self/run.h5"), "can be made|not writable")


def test_a_name_taken_meanwhile_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    from thermohw.store import reserve

    allocate = reserve.allocate

    def late(temporary: Path, target: Path) -> None:
        allocate(temporary, target)
        path.write_text("precious")

    monkeypatch.setattr(reserve, "allocate", late)
    refused(path, "exists already")
    assert path.read_text() == "precious" and list(tmp_path.iterdir()) == [path]


def test_an_interrupted_creation_leaves_nothing(tmp_path, monkeypatch):
    from thermohw.store import container

    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(container, "build", interrupt)
    with pytest.raises(KeyboardInterrupt):
        RunWriter.create(tmp_path / "run.h5", toy_layout(), toy_parameters())
    assert list(tmp_path.iterdir()) == []


def test_a_run_larger_than_the_disk_is_refused(tmp_path):
    layout = Layout(paths=10**12, results=(), ledger=toy_layout().ledger[:1])
    with pytest.raises(
        StoreError, match=r"needs 8\d+ bytes \(8.01e\+03 GB\), only \d+ are available"
    ):
        RunWriter.create(tmp_path / "run.h5", layout, {"spec": ""})
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from store.toy import *
from thermohw.errors import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    with RunWriter.create(sys.argv[1], toy_layout(), toy_parameters()) as run:
        produce(run)
except StoreError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.parametrize("limit", [0, 100, 10_000, 40_000])
def test_a_file_size_limit_is_refused_before_the_run(tmp_path, limit):
    done = python(LIMITED, tmp_path / "run.h5", limit)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert f"only {limit} are available" in done.stderr
    assert list(tmp_path.iterdir()) == []


BROKEN = """
import atexit, resource, sys
atexit.register(print, "the interpreter took its normal exit")
from store.toy import *
run = RunWriter.create(sys.argv[1], toy_layout(), toy_parameters())
def after(what):
    if run.committed == 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
produce(run, after=after)
"""


def test_a_failing_disk_ends_the_process_with_one_line(tmp_path):
    """Nothing can be written after four commits; they stay readable and can be continued."""
    path = tmp_path / "run.h5"
    done = python(BROKEN, path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert "writing failed (File too large); 4 of 9 units are safe" in done.stderr
    assert "--resume" in done.stderr and done.stdout == ""
    with RunReader.open(path, partial=True) as run:
        assert (run.committed, run.paths) == (4, 8)
        half = run.ledger("heat")
    assert len(verify(path)) == 1
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        produce(run)
    with RunWriter.create(tmp_path / "whole.h5", toy_layout(), toy_parameters()) as whole:
        produce(whole)
    with RunReader.open(path) as run, RunReader.open(tmp_path / "whole.h5") as whole:
        assert np.array_equal(run.ledger("heat")[:8], half)
        assert np.array_equal(run.series("voltage").read(), whole.series("voltage").read())
        assert np.array_equal(run.ledger("heat"), whole.ledger("heat"))


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_refused_before_the_run_and_harmless_during_it(small_disk):
    big = toy_layout(paths=20_000, group=4096)
    with pytest.raises(StoreError, match=r"needs \d+ bytes .*, only 1048576 are available"):
        RunWriter.create(small_disk / "run.h5", big, toy_parameters())
    assert list(small_disk.iterdir()) == []
    small = toy_layout(paths=2000, group=512)
    with RunWriter.create(small_disk / "run.h5", small, toy_parameters()) as run:
        with (
            pytest.raises(OSError, match="No space"),
            open(small_disk / "filler", "wb", 0) as filler,
        ):
            while filler.write(bytes(4096)):
                pass
        produce(run)  # every byte was reserved
    assert verify(small_disk / "run.h5") == []


def test_misuse_is_caught(tmp_path):
    layout = toy_layout()
    with RunWriter.create(tmp_path / "run.h5", layout, toy_parameters()) as run:
        first, second = layout.unit(0), layout.unit(layout.blocks)
        zeros = np.zeros((4, 8))
        for frames, paths, values in (
            (first.frames, first.paths, np.zeros((4, 7))),
            (first.frames, first.paths, np.zeros((4, 8, 1))),
            (first.frames, first.paths, 0.0),
        ):
            with pytest.raises(AssertionError, match="shape"):
                run.write_series("power", frames, paths, values)
        with pytest.raises(AssertionError, match="units are missing"):
            run.finish()
        with pytest.raises(AssertionError, match="never written in this unit.*power.*voltage"):
            run.commit()
        run.write_series("power", first.frames, first.paths, zeros)
        run.write_series("voltage", first.frames, first.paths, np.zeros((4, 8, 3)))
        with pytest.raises(AssertionError, match="state takes"):
            run.commit({"x": np.zeros(10_000)})
        run.commit()
        with pytest.raises(AssertionError, match="committed already"):
            run.write_series("power", first.frames, first.paths, zeros)
        run.write_series("power", second.frames, second.paths, zeros)  # ahead is allowed


def test_a_forgotten_ledger_channel_or_result_is_caught(tmp_path):
    layout = Layout(paths=20, ledger=toy_layout().ledger[:1], results=(Result("count"),), group=8)
    with RunWriter.create(tmp_path / "run.h5", layout, {"spec": ""}) as run:
        with pytest.raises(AssertionError, match="never written in this unit.*heat"):
            run.commit()
        for paths, _ in layout.all_units():
            run.write_ledger("heat", paths, np.zeros(20)[paths])
            run.commit()
        with pytest.raises(AssertionError, match="every unit"):
            run.commit()
        with pytest.raises(AssertionError, match="never written.*count"):
            run.finish()


def test_a_run_that_saves_no_frames(tmp_path):
    layout = Layout(paths=20, ledger=toy_layout().ledger[:1], group=8)
    with RunWriter.create(tmp_path / "run.h5", layout, {"spec": ""}) as run:
        while run.committed < layout.units:
            paths, frames = layout.unit(run.committed)
            assert frames == slice(0, 0)
            run.write_ledger("heat", paths, np.arange(20.0)[paths])
            run.commit()
        run.finish()
    with RunReader.open(tmp_path / "run.h5") as run:
        assert run.ledger("heat").tolist() == list(range(20))
    assert verify(tmp_path / "run.h5") == []


STREAM = """
import resource, sys
import numpy as np
from thermohw.store import *
layout = Layout(paths=40_000, steps=range(1000), times=range(1000), axes={},
                series=(Channel("v", "V", dtype="float32"),), group=4096, block=200, state_size=256)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
values = np.ones((200, 4096), "f4")
start = peak()
with RunWriter.create(sys.argv[1], layout, {"spec": ""}) as run:
    while run.committed < layout.units:
        paths, frames = layout.unit(run.committed)
        run.write_series("v", frames, paths, values[:, : paths.stop - paths.start])
        run.commit({"x": 1})
    run.finish()
assert verify(sys.argv[1]) == []
with RunReader.open(sys.argv[1]) as run:
    total = sum(float(v.sum()) for _, v in run.series("v").units())
assert total == 4e7
print(layout.nbytes, peak() - start)
"""


def test_writing_verifying_and_reading_stream(tmp_path):
    """A file of 160 MB passes through memory by the unit of 3.3 MB: a dozen units are allowed."""
    done = python(STREAM, tmp_path / "run.h5")
    assert done.returncode == 0, done.stderr
    size, grown = map(int, done.stdout.split())
    assert size > 160e6 and grown < 40e6, f"{grown / 1e6:.0f} MB"


def test_limits_of_this_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
