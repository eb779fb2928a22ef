"""A missing or failing simulator, devices without cards, files that are whole or not there."""

import stat
import subprocess
import sys
from dataclasses import replace

import pytest

import thermohw as th
from thermohw.circuit import build_device
from thermohw.datasheet import parse_netlist
from thermohw.errors import InputError
from thermohw.pipeline.netlist import write_deck
from thermohw.spice import check_free, make_netlist

RC = th.load_device("rc1")


def fake(folder, script, monkeypatch):
    program = folder / "ngspice"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_ngspice_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="ngspice: not found on PATH; install it"):
        check_free(RC, duration=0.5)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'Error: unknown parameter (foo)' >&2; exit 1", r"failed: Error: unknown parameter"),
        ("echo all is well; exit 0", "failed without a message .*wrote nothing"),
        ("echo '1e-9 0 1' > out.txt; exit 0", "failed without a message"),
    ],
)
def test_ngspice_fails_in_its_own_words(script, says, monkeypatch, tmp_path):
    fake(tmp_path, script, monkeypatch)
    kept = tmp_path / "kept"
    with pytest.raises(InputError, match=says) as caught:
        check_free(RC, duration=0.5, keep=kept)
    assert "\n" not in str(caught.value) and str(kept / "ngspice.log") in str(caught.value)
    assert (kept / "deck.cir").read_text().startswith("* rc1")  # nothing is lost


GUEST = """
pwd > place; stat -c %a . >> place; cp place SECRET; ln -s SECRET out.txt; exit 1
"""


def test_the_simulator_works_where_nobody_else_can_write(monkeypatch, tmp_path):
    """Links that wait under the names of its files lead nowhere; its folder is new and private."""
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    fake(tmp_path, GUEST.replace("SECRET", str(tmp_path / "place")), monkeypatch)
    kept, precious = tmp_path / "kept", tmp_path / "precious"
    kept.mkdir()
    precious.write_text("precious")
    for name in ("deck.cir", "out.txt", "ngspice.log"):
        (kept / name).symlink_to(precious)
    with pytest.raises(InputError, match="failed"):
        check_free(RC, duration=0.5, keep=kept)
    assert precious.read_text() == "precious"
    assert [(kept / n).is_symlink() for n in ("deck.cir", "ngspice.log", "out.txt")] == [0, 0, 1]
    folder, mode = (tmp_path / "place").read_text().split()
    assert folder.startswith(str(tmp_path / "scratch" / "thermohw-spice-")) and mode == "700"
    assert list((tmp_path / "scratch").iterdir()) == []
    for _ in range(2):
        with pytest.raises(InputError, match="failed"):
            check_free(RC, duration=0.5)  # without a place to keep it, what failed stays
    assert len(list((tmp_path / "scratch").iterdir())) == 2


def test_a_deck_is_written_whole_or_not_at_all(tmp_path):
    out = tmp_path / "deck.cir"
    write_deck("new\n", out)
    assert out.read_text() == "new\n" and [p.name for p in tmp_path.iterdir()] == ["deck.cir"]
    with pytest.raises(InputError, match="cannot be written"):
        write_deck("x", tmp_path / "no folder" / "deck.cir")
    with pytest.raises(InputError, match="cannot be written"):
        write_deck("x", tmp_path)  # a folder of that name
    assert [p.name for p in tmp_path.iterdir()] == ["deck.cir"]


def test_devices_without_cards():
    with pytest.raises(InputError, match="bare matrices"):
        make_netlist(replace(RC, datasheet=None))
    with pytest.raises(InputError, match="no card is known for"):
        make_netlist(replace(RC, elements=("other",)))
    with pytest.raises(InputError, match="R, C, L and K"):
        make_netlist("no device at all")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["rc1", "rlc1", "spu8", "rc8-chain"])
def test_round_trip(name):
    device = th.load_device(name)
    again = parse_netlist(make_netlist(device), name).datasheet
    one, two = device.datasheet.content(), again.content()
    assert one.pop("shape") is not None and two.pop("shape") == []
    assert one == two
    assert build_device(again).hessian.tolist() == device.hessian.tolist()


COMMAND = [sys.executable, "-m", "thermohw", "spice", "mixture_rc"]
SMALL = ["--set", "protocol.ticks=64", "--set", "protocol.stepper=auto"]


def call(*words, folder):
    return subprocess.run([*COMMAND, *SMALL, *words], cwd=folder, capture_output=True, text=True)


@pytest.mark.spice
def test_command(tmp_path):
    done = call("--check", "--out", "a.cir", folder=tmp_path)
    assert done.returncode == 0 and "agrees" in done.stdout, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["a.cir"]
    done = subprocess.run(["ngspice", "-b", "a.cir"], cwd=tmp_path, capture_output=True, text=True)
    assert (tmp_path / "out.txt").stat().st_size > 1000  # the file stands by itself


def test_command_refuses(tmp_path):
    for words, says in (
        (["--path", "99999999"], "the run has paths 0 to"),
        (["--noise", "pink"], "expected 'path' or 'random'"),
        (["--noise", "random", "--replay"], "leave it out"),
    ):
        done = call(*words, folder=tmp_path)
        assert done.returncode == 2 and says in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_realisation_that_changes_elements_is_refused():
    from thermohw.spice import path_deck
    from thermohw.target import target_from_dict

    ou = th.OU(2.0)
    target = target_from_dict({"kind": "gaussian", "mean": [0.5], "std": 0.7})
    protocol = th.Protocol(RC, ou, target.score(ou), wiring="emf", control="clocked", ticks=20,
                           realisation="resistance")  # fmt: skip
    with pytest.raises(InputError, match="the elements of a deck are fixed"):
        path_deck(protocol, 0, target=target)
