"""Circuits with amplifiers and boards as files: numbers of the calls, resumed, opened, refused."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError
from thermohw.pipeline import load_spec, read_spec, run_spec
from thermohw.store import RunReader

SOLVE = {"matrix": [[1.0, 0.3], [0.3, 0.8]], "rhs": [1.0, -0.5], "ideal": ["bandwidth"]}
INVERT = {"matrix": [[1.0, 0.3], [0.3, 0.8]], "ideal": ["bandwidth"]}


def same(one, other):
    """Every series and every channel, bit for bit."""
    with RunReader.open(one) as a, RunReader.open(other) as b:
        assert a.ledger_names == b.ledger_names and a.series_names == b.series_names
        for name in a.ledger_names:
            assert np.array_equal(a.ledger(name), b.ledger(name)), name
        for name in a.series_names:
            assert np.array_equal(a.series(name).read(), b.series(name).read()), name


def test_a_file_holds_what_the_calls_give(tmp_path):
    """Books bit for bit, answers to round-off; readings survive being stored batch by batch."""
    board, path = th.load_device("opamp-solver"), tmp_path / "run.h5"
    for table, call, more in ((SOLVE, th.solve, [SOLVE["rhs"]]), (INVERT, th.invert, [])):
        key = "solve" if more else "invert"
        asked = th.Evolve(board, "200 us", samples=9, **{key: table})
        stored = th.simulate(asked, paths=70, seed=5, store=path)
        called = call(board, table["matrix"], *more, duration="200 us", paths=70, seed=5,
                      ideal=["bandwidth"], books=True)  # fmt: skip
        for name in called.books:
            assert np.array_equal(stored.books[name], called.books[name]), name
        for answer in (stored.answer, th.Run.open(path).answer):
            for name in ("estimate", "stderr", "bias", "runs"):
                # sums over batches that lie otherwise in memory: some units of 2^-53
                assert np.allclose(getattr(answer, name), getattr(called, name), 1e-12, 0.0), name
            assert answer.budget == called.budget
        memory = th.simulate(asked, paths=70, seed=5)
        assert np.array_equal(memory.answer.estimate, called.estimate)
        path.unlink()
    circuit = th.load_device("rlc1-cooled")
    stored = th.simulate(th.Evolve(circuit, "2 us"), paths=200, seed=5, store=path)
    called = th.evolve(circuit, "2 us", paths=200, seed=5)
    assert np.array_equal(stored.books["work.damper"], called.books["work.damper"])
    assert np.allclose(stored.frames["voltage"].mean(1)[:, 0], called.mean[1:, 0], atol=0.0)
    with pytest.raises(InputError, match="neither solves nor inverts"):
        _ = stored.answer


def test_paths_do_not_depend_on_how_many_follow(tmp_path):
    """Blocks are multiplied one by one: the first 70 of 70 and of 3000 are the same to the bit."""
    asked = th.Evolve(th.load_device("rlc1-cooled"), "1 us", start="steady")
    few, many = (th.simulate(asked, paths=n, seed=3) for n in (70, 3000))
    for name in few.books:
        assert np.array_equal(few.books[name], many.books[name][:70]), name


@pytest.mark.parametrize(("device", "table"), [
    ("rlc1-cooled", {"samples": 16}), ("opamp-solver", {"samples": 16, "invert": INVERT}),
])  # fmt: skip
def test_stopped_inside_a_tile_it_goes_on_from_its_last_commit(
    tmp_path, monkeypatch, device, table
):
    """After every commit in turn: states, accounts, generators, sums of readings are kept."""
    from thermohw.store import RunWriter
    from thermohw.worlds.active import EvolveTile

    asked = th.Evolve(th.load_device(device), "40 us", **table)
    whole, cut = tmp_path / "whole.h5", tmp_path / "cut.h5"
    th.simulate(asked, paths=100, seed=4, store=whole)
    right, commit, safe = EvolveTile.advance, RunWriter.commit, []

    def stop(self, frames):
        if safe:  # a unit may be played in several goes: the first commit is what counts
            raise KeyboardInterrupt
        right(self, frames)

    def counted(self, state=None):
        commit(self, state)
        safe.append(self.committed)

    monkeypatch.setattr(EvolveTile, "advance", stop)
    monkeypatch.setattr(RunWriter, "commit", counted)
    with pytest.raises(KeyboardInterrupt):
        th.simulate(asked, paths=100, seed=4, store=cut)
    commits = [safe.pop()]
    while True:
        try:
            th.simulate(asked, paths=100, seed=4, store=cut, resume=True)
            break
        except KeyboardInterrupt:
            commits.append(safe.pop())
            assert commits[-1] > commits[-2], "nothing was made safe"
    assert len(commits) >= 2
    same(whole, cut)


def test_it_is_opened_by_xarray_and_by_plain_h5py(tmp_path):
    path = tmp_path / "run.h5"
    run = run_spec(load_spec("board_solve", ["simulate.paths=40"]), path, progress=False)
    with run.to_xarray() as tree:
        assert tree["ledger/heat.in[0]"].dims == ("path",)
        assert tree["observables/voltage/value"].dims[:2] == ("time", "path")
        assert tree["ledger/reading.sum"].dims == ("path", "reading")
    with h5py.File(path) as opened:
        file: Any = opened
        assert np.array_equal(np.asarray(file["h5md/modules/thermohw"].attrs["version"]), [2, 0])
        assert np.asarray(file["ledger/work.amp[0]"]).shape == (40,)
    page = run.report().read_text(encoding="utf-8")
    for words in ("solves 3 equations", "work of amp[0]", "heat into r[0,0]", "supplies at rest"):
        assert words in page, words
    shown = str(run.ledger)
    assert "work.emf.in[0]" in shown and "work.emf.r[0,0]" not in shown  # at rest


TEXT = """
format = "thermohw-run/1"
[device]
name = "DEVICE"
[evolve]
duration = "4 us"
"""


@pytest.mark.parametrize(
    ("device", "more", "message"),
    [
        ("rlc1-cooled", "[program]\nticks = 4\n", r"\[program\] and \[evolve\] describe runs"),
        ("rlc1-cooled", "[process]\nkind = 'ou'\n", r"\[process\] belongs to \[protocol\]"),
        ("rlc1-cooled", "steps = '1 ns'\n", "did you mean step"),
        ("rlc1-cooled", "step = '1 kg'\n", "1 kg"),
        ("rlc1-cooled", "step = '1 as'\n", "steps; expected at most"),
        ("rlc1-cooled", "[evolve.sources]\nr9 = '1 V'\n", "no element 'r9'; known: r0"),
        ("rlc1-cooled", "[evolve.invert]\nmatrix = [[1.0]]\n", "is no linear solver"),
        ("opamp-solver", "", "solve = {matrix, rhs} or invert = {matrix}"),
        ("opamp-solver", "[evolve.solve]\nmatrix = [[1.0]]\n", "evolve.solve.rhs is missing"),
        ("opamp-solver", "[evolve.invert]\nmatrix = [[1.0]]\nrhs = [1.0]\n", "rhs: unknown key"),
        ("opamp-solver", "[evolve.invert]\nmatrix = [[1.0, 2.0], [2.0, 1.0]]\n",
         "not positive definite: smallest eigenvalue -1"),
        ("opamp-solver", "[evolve.solve]\nmatrix = [[1.0]]\nrhs = [1.0, 2.0]\n",
         "1 finite numbers"),
        ("opamp-solver", "[evolve.invert]\nmatrix = [[1.0]]\nnoise = '3 kg'\n", "3 kg"),
        ("opamp-solver", "sources = {r = '1 V'}\n[evolve.invert]\nmatrix = [[1.0]]\n",
         "its system sets its sources"),
        ("opamp-solver", "[evolve.invert]\nmatrix = [[1.0]]\nevery = '1 ms'\n",
         "every: '1 ms': expected no more than the duration, 4 us"),
        ("rc1", "", r"\[evolve\] cannot play it; \[protocol\] or \[program\] can"),
        ("cmos-bit", "", r"\[evolve\] cannot play it; \[jumps\] can"),
    ],
)  # fmt: skip
def test_bad_specs_are_one_line(tmp_path, device, more, message):
    out = tmp_path / "run.h5"
    with pytest.raises(InputError, match=message) as caught:
        run_spec(read_spec(TEXT.replace("DEVICE", device) + more, where="x.toml"), out,
                 progress=False)  # fmt: skip
    assert str(caught.value).count("x.toml") == 1
    assert "\n" not in str(caught.value) and not out.exists()


@pytest.mark.parametrize(
    ("key", "value"), [("noise", [1]), ("volts", [1]), ("mismatch", "a"), ("mismatch", -1)]
)
def test_tables_of_python_are_checked_like_specs(key, value):
    table = {"matrix": [[1.0]], "rhs": [1.0], key: value}
    with pytest.raises(InputError, match=f"solve.{key}: .*expected"):
        th.Evolve(th.load_device("opamp-solver"), "20 us", solve=table).prepare()


def test_other_tables_name_evolve(tmp_path):
    program = TEXT.replace("[evolve]", "[program]").replace("DEVICE", "rlc1-cooled")
    with pytest.raises(InputError, match=r"\[program\] cannot play it; \[evolve\] can"):
        run_spec(read_spec(program), tmp_path / "run.h5", progress=False)
    for given in (th.load_device("rlc1-cooled"), th.load_device("opamp-solver")):
        with pytest.raises(InputError, match=r"th.Evolve\(device"):
            th.simulate(given, paths=3)
    for made in (th.evolve(th.load_device("rlc1-cooled"), "1 us"),
                 th.Evolve(th.load_device("rlc1-cooled"), "1 us")):  # fmt: skip
        with pytest.raises(InputError, match="th.simulate"):
            th.audit(made)
