"""The command line as a stranger uses it: what it prints, how it leaves."""

import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

import thermohw

SMALL = ["--paths", "600", "--set", "protocol.ticks=64", "--set", "likelihood.test=16"]


@pytest.fixture(scope="module")
def run_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "run.h5"
    words = [sys.executable, "-m", "thermohw", "run", "mixture_rc", *SMALL, "--out", str(path)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "heat.r0" in done.stdout and "kT" in done.stdout
    return path


def test_devices_lists_and_shows(shell):
    status, out, _ = shell("devices")
    assert status == 0 and all(name in out for name in ("rc1", "rc64", "rc8-chain"))
    status, out, _ = shell("devices", "rc1")
    assert status == 0 and "64.36 uV" in out and "1 us" in out  # sqrt(kT/C) at 1 pF, 300 K


def test_audit_speaks_to_people_and_machines(shell, run_file):
    status, out, _ = shell("audit", run_file)
    assert status == 0 and "first_law" in out
    status, out, _ = shell("audit", run_file, "--json")
    account = json.loads(out)
    assert status == 0 and {"checks", "quantities", "run"} <= account.keys()
    assert account["quantities"]["heat.total.kT"]["unit"] == "kT"


def test_a_grid_that_no_audit_will_explain_is_noted(shell, tmp_path):
    """Played, since .26 deviations are less than the cap; W1 is .2 of one Gaussian's width."""
    words = ["--set", 'target={kind="gaussian", mean=2.0, std=0.3}', "--set", "audit.twins=false"]
    words += ["--set", "likelihood.test=0", "--paths", "64"]
    for ticks, noted in ((100, True), (500, False)):
        more = ["--set", f"protocol.ticks={ticks}", "--out", tmp_path / f"{ticks}.h5"]
        status, out, err = shell("run", "mixture_rc", *words, *more)
        assert status == 0, err
        assert ("note: the ticks bias the samples by" in out) == noted


def test_what_was_rounded_is_noted(shell, tmp_path):
    """33 MHz in 3 us are 99 ticks; 33.3 MHz are 99.9, of which 100 are played."""
    path = tmp_path / "run.h5"
    words = ["mixture_rc", "--paths", 64, "--set", "protocol.ticks=none", "--out", path]
    words += ["--set", "likelihood.test=0", "--set", "audit.twins=false"]
    words += ["--set", "protocol.control=clocked", "--set", "protocol.stepper=auto"]
    assert "note:" not in shell("run", *words, "--set", "protocol.clock='33 MHz'")[1]
    path.unlink()
    out = shell("run", *words, "--set", "protocol.clock='33.3 MHz'")[1]
    assert "note: clock = 33.3 MHz makes 99.9 ticks of this run: 100 are played" in out
    limits = next(c for c in json.loads(shell("audit", path, "--json")[1])["checks"]
                  if c["name"] == "protocol_limits")  # fmt: skip
    assert "makes 99.9 ticks" in limits["detail"]
    path.unlink()
    words += ["--set", "protocol.ticks=64", "--set", "protocol.dac_bits=8"]
    words += ["--set", "protocol.dac_range=['-200 mV', '200 mV']"]
    out = shell("run", *words)[1]
    assert "range reaches 200 mV, beyond the datasheet's dac_full_scale of 100 mV" in out


def test_report_writes_a_page(shell, run_file, tmp_path):
    status, out, _ = shell("report", run_file, "--out", tmp_path / "page.html")
    assert status == 0 and (tmp_path / "page.html").stat().st_size > 10_000


def test_inspect_verifies(shell, run_file, tmp_path):
    status, out, _ = shell("inspect", run_file, "--verify")
    assert (
        status == 0
        and "complete" in out
        and "verified" in out
        and "every number equals its checksum" in out
    )
    broken = tmp_path / "broken.h5"
    data = bytearray(run_file.read_bytes())
    text = b"wiring"
    place = data.find(text)
    assert place > 0
    data[place : place + len(text)] = b"wyring"
    broken.write_bytes(data)
    status, out, err = shell("inspect", broken, "--verify")
    assert status == 2 and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["devices", "rc7"], "unknown device 'rc7'"),
        (["run", "nothing_here"], "no such file"),
        (["run", "mixture_rc", "--set", "protocol.tikcs=3"], "unknown key"),
        (["run", "mixture_rc", "--on", "tpu"], "--on"),
        (["audit", "/nowhere/run.h5"], "/nowhere/run.h5"),
        (["inspect", __file__], "not an HDF5 file"),
        (["report", __file__], "not an HDF5 file"),
        (["run"], "spec"),
        (["fly"], "fly"),
    ],
)
def test_mistakes_are_one_line_and_status_two(shell, tmp_path, words, expected):
    words = words + (["--out", tmp_path / "x.h5"] if words[0] == "run" and len(words) > 1 else [])
    status, _, err = shell(*words)
    assert status == 2
    assert len(err.strip().splitlines()) == 1 and expected.lower() in err.lower(), err
    assert not list(tmp_path.iterdir())  # and no half file


def test_output_that_cannot_be_written(shell, run_file, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    status, _, err = shell("run", "mixture_rc", *SMALL, "--out", tmp_path / "file" / "run.h5")
    assert status == 2 and "not a folder" in err
    before = run_file.stat().st_mtime_ns
    status, _, err = shell("run", "mixture_rc", *SMALL, "--out", run_file)
    assert status == 2 and "--resume" in err and run_file.stat().st_mtime_ns == before
    foreign = tmp_path / "foreign.h5"
    import h5py

    with h5py.File(foreign, "w") as file:
        file["x"] = np.arange(3)
    status, _, err = shell("audit", foreign)
    assert status == 2 and "foreign.h5" in err
    cut = tmp_path / "cut.h5"
    cut.write_bytes(run_file.read_bytes()[: run_file.stat().st_size // 2])
    status, _, err = shell("audit", cut)
    assert status == 2 and "cut.h5" in err


def test_full_disk_is_refused_before_the_first_tick(tmp_path):
    """A file size limit stands for a disk that is too small."""
    out = tmp_path / "run.h5"
    words = [sys.executable, "-m", "thermohw", "run", "mixture_rc", "--out", str(out)]
    words += ["--set", "likelihood.test=0"]

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        words, capture_output=True, text=True, preexec_fn=small_disk, env={**os.environ}
    )
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_version(shell):
    status, out, err = shell("--version")
    assert (status, out, err) == (0, f"thermohw {thermohw.__version__}\n", "")


def test_what_is_public():
    assert set(dir(thermohw)) == set(thermohw.__all__) and "simulate" in dir(thermohw)
    assert all(getattr(thermohw, name) is not None for name in dir(thermohw))


def test_as_many_baths_as_one_asks_for(shell, tmp_path):
    """Fifteen of them: eight and "7 more", or as many as --baths says."""
    path = tmp_path / "chain.h5"
    words = ["mixture_rc", "--paths", 64, "--set", "device.name=rc8-chain", "--out", path]
    words += ["--set", "process={kind='relaxation', duration=1.0}", "--set", "protocol.ticks=32"]
    words += ["--set", "target={kind='gaussian', mean=[0,0,0,0,0,0,0,0], std=1.0}"]
    words += ["--set", "likelihood.test=0", "--set", "audit.twins=false", "--baths", 9]
    status, out, err = shell("run", *words)
    assert status == 0, err

    def listed(text):
        lines = [line.split()[0] for line in text.splitlines() if line.strip().startswith("heat.")]
        return {line.removesuffix(".J").removesuffix(".kT") for line in lines} - {"heat.total"}

    assert len(listed(out)) == 9 and "... and 6 more baths" in out
    for count, seen in ((None, 8), (0, 0), (100, 15)):
        status, out, err = shell("audit", path, *([] if count is None else ["--baths", count]))
        assert len(listed(out)) == seen, err
        assert (f"{15 - seen} more baths" in out) == (seen < 15)
    status, _, err = shell("audit", path, "--baths", -1)
    assert status == 2 and len(err.splitlines()) == 1


def test_the_page_of_default_converters(shell, tmp_path):
    """Their ends are those that were played, worked out by the audit."""
    path = tmp_path / "run.h5"
    words = [*SMALL, "--set", "protocol.adc_bits=8", "--set", "protocol.dac_bits=7"]
    words += ["--set", "protocol.control=clocked", "--set", "protocol.stepper=auto"]
    assert shell("run", "mixture_rc", *words, "--out", path)[0] == 0
    quantities = json.loads(shell("audit", path, "--json")[1])["quantities"]
    ends = [quantities[f"protocol.adc_range.{end}"]["value"] for end in ("low", "high")]
    assert ends[0] == -ends[1] and ends[1] > 0.0
    status, _, err = shell("report", path, "--out", tmp_path / "page.html")
    assert status == 0, err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (
        f"8 bits from −{ends[1] * 1e6:.0f} µV to {ends[1] * 1e6:.0f} µV, its default range" in page
    )
    assert "7 bits from" in page


def test_what_a_table_leaves_out_is_noted(shell, tmp_path):
    table = np.random.default_rng(0).normal(size=(60, 3))
    lines = [f"{i},{','.join(map(str, row))}" for i, row in enumerate(table.tolist())]
    (tmp_path / "x.csv").write_text("\n".join([",a,b,c", *lines]))
    words = ["mixture_rc", "--set", f"target={{kind='array', path='{tmp_path / 'x.csv'}'}}"]
    status, _, err = shell("run", *words, "--out", tmp_path / "run.h5")
    note, problem = err.splitlines()
    assert status == 2 and "note: " in note and "first column has no name" in note
    assert "3 dimensions" in problem
