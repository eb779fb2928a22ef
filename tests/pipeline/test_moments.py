"""Runs that keep moments: the numbers, verdicts and bits of the runs that keep every path."""

import json
import multiprocessing
import os
import shutil
import signal
import tracemalloc
from typing import Any

import h5py
import numpy as np
import pytest
from audit.test_audit_jumps import DIODE
from pipeline.test_extend import assert_same
from store.toy import unsealed

import thermohw as th
from thermohw.audit.kept import KEYS
from thermohw.errors import InputError
from thermohw.pipeline import load_spec, run_spec
from thermohw.report import report
from thermohw.run import Keeper
from thermohw.store import RunReader, RunWriter, verify
from thermohw.worlds.driven import DrivenWorld

FORK = multiprocessing.get_context("fork")
SMALL = ["protocol.ticks=8", "likelihood.test=30", "audit.twins=false", "store.every=0"]
CLOCKED = ["protocol.control=clocked", "protocol.stepper=auto", "protocol.reading_noise=60 uV"]
# SPEC, overrides, paths of the first run and of the longer one: at least two tiles, and a part.
KINDS = {
    "played": ("mixture_rc", SMALL, 33000, 66000),
    "played, noisy readings": ("mixture_rc", [*SMALL, *CLOCKED], 33000, 40000),
    "program": ("capacitor_program", ["program.ticks=20", "store.every=0"], 17000, 40000),
    "jumps": ("bit_jumps", ["jumps.duration=100 ps", "jumps.samples=0"], 4200, 8300),
    "evolve": ("resonator_evolve", ["evolve.duration=1 us", "evolve.samples=0"], 1100, 2100),
}
UNITS = ["played", "program", "jumps", "evolve"]  # one of each: what resumes and extends
MOMENTS = "store.keep=moments"


@pytest.fixture(scope="module", autouse=True)
def pair(tmp_path_factory):
    """A circuit of one node for electrons to jump through: its master equation is a small one."""
    path = tmp_path_factory.mktemp("pair") / "pair.toml"
    path.write_text(DIODE)
    KINDS["jumps"][1].append(f"device.name={path}")
    yield
    KINDS["jumps"][1].pop()


def asked(kind, *more, paths=None):
    spec, overrides, _, many = KINDS[kind]
    return load_spec(spec, [*overrides, f"simulate.paths={paths or many}", *more])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """kind -> (run that kept every path, run of the same seed that kept moments)."""
    folder, made = tmp_path_factory.mktemp("both"), {}

    def make(kind):
        if kind not in made:
            paths = [folder / f"{len(made)}.h5", folder / f"{len(made)}_moments.h5"]
            run_spec(asked(kind), paths[0], progress=False)
            run_spec(asked(kind, MOMENTS), paths[1], progress=False)
            made[kind] = tuple(map(th.Run.open, paths))
        return made[kind]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_those_of_the_paths(both, kind):
    """To the round-off of n additions, n u = 1e-11 relative to the spread."""
    whole, moments = both(kind)
    with RunReader.open(whole.path) as run, RunReader.open(moments.path) as kept:
        assert kept.ledger_names == () and kept.channel_names == run.ledger_names
        for name in run.ledger_names:
            x, found = run.ledger(name), kept.statistics(name)
            size = np.abs(x).max(0)
            assert (np.abs(found.mean - x.mean(0)) <= 1e-11 * size).all()
            assert (np.abs(np.sqrt(found.variance) - x.std(0, ddof=1)) <= 1e-10 * size).all()
            assert (found["minimum"] == x.min(0)).all()
            assert (found["maximum"] == x.max(0)).all()
            assert (found.cells.sum(-1) == len(x)).all()
            first = kept.first(name)
            assert (first == x[: len(first)]).all() and len(first) == min(run.layout.group, len(x))
        names, held = kept.layout.axes["scalar"], run.ledger_names
        table = np.stack([run.ledger(n) if n in held else whole.books[n] for n in names])
        products, exact = kept.result("comoments"), np.cov(table) * (table.shape[1] - 1)
        size = np.sqrt(len(table[0])) * np.abs(table).max(1)
        assert (np.abs(products - exact) <= 1e-11 * np.outer(size, size)).all()
    assert moments.ledger.paths == whole.ledger.paths
    for name, row in whole.ledger.rows.items():
        size = whole.ledger.energy
        assert moments.ledger.rows[name].value == pytest.approx(row.value, abs=1e-10 * size)
        assert moments.ledger.rows[name].stderr == pytest.approx(row.stderr, abs=1e-10 * size)


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_agree(both, kind):
    """What means say is the same number; what states say is said of the first tile's."""
    whole, moments = (run.audit() for run in both(kind))
    assert [c.name for c in whole.checks] == [c.name for c in moments.checks]
    # The entropy of the end states is one of samples.
    samples = {"sample_law", "second_law", "information"}
    for one, other in zip(whole.checks, moments.checks, strict=True):
        assert one.status == other.status, one.name
        if one.name not in samples and one.value is not None:
            assert other.value == pytest.approx(one.value, rel=1e-6, abs=1e-8), one.name
    assert not verify(both(kind)[1].path)
    assert {"heat.total.kT", "energy.change.kT"} <= moments.quantities.keys()
    for name, quantity in whole.quantities.items():
        if name.split(".")[0] in ("heat", "work", "energy", "information", "nll"):
            other = moments.quantities[name]
            if quantity.stderr is not None:
                assert other.stderr == pytest.approx(quantity.stderr, rel=1e-6), name


@pytest.mark.parametrize("kind", UNITS)
def test_extended_equals_one_go(both, kind, tmp_path):
    out = tmp_path / "run.h5"
    run_spec(asked(kind, MOMENTS, paths=KINDS[kind][2]), out, progress=False)
    run_spec(asked(kind, MOMENTS), out, resume=True, progress=False)
    assert_same(out, both(kind)[1].path)


def _until_commit(spec, out, commits, *, resume=False):
    """In a process that kills itself, with no warning, once so many units are committed."""

    def child():
        def commit(self, state=None, plain=RunWriter.commit):
            plain(self, state)
            if self.committed == commits:
                os.kill(os.getpid(), signal.SIGKILL)

        RunWriter.commit = commit
        run_spec(spec, out, resume=resume, progress=False)

    process = FORK.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("kind", UNITS)
def test_killed_and_resumed_is_the_same_file(both, kind, tmp_path):
    """Killed behind the first tile, and again behind the second where there are three."""
    out, spec = tmp_path / "run.h5", asked(kind, MOMENTS)
    _until_commit(spec, out, 1)
    with RunReader.open(out, partial=True) as run:
        units = run.layout.units
    if units > 2:
        _until_commit(spec, out, 2, resume=True)
    run_spec(spec, out, resume=True, progress=False)
    assert_same(out, both(kind)[1].path)


@pytest.mark.parametrize("name", ["mixture_rc", "capacitor_program"])
def test_heat_that_is_wrong_is_called(name, tmp_path, monkeypatch):
    """A thousandth too much in every tile of a run: the worst path says so."""
    plain = Keeper.add

    def add(self, channels):
        wrong = {n: 1.001 * v if n == "heat.r0" else v for n, v in channels.items()}
        plain(self, wrong)

    monkeypatch.setattr(Keeper, "add", add)
    overrides = SMALL if name == "mixture_rc" else ["program.ticks=20", "store.every=0"]
    spec = load_spec(name, [*overrides, MOMENTS, "simulate.paths=2000"])
    run_spec(spec, tmp_path / "run.h5", progress=False)
    checks = {check.name: check for check in th.audit(tmp_path / "run.h5").checks}
    assert checks["first_law"].status == "violated"


def _scaled(table, column, power):
    table[..., column] *= 1.001**power


# Place -> what somebody does to it: the heat a thousandth larger in one account of three.
EDITS = {
    "mean": ("results/moments.heat.r0", lambda t: _scaled(t, 1, 1)),
    "square": ("results/moments.heat.r0", lambda t: _scaled(t, 2, 2)),
    "products": ("results/comoments", lambda t: _scaled(t, 0, 1)),
    "account": ("results/audit.accounts", lambda t: _scaled(t[:1], 0, 1)),
    "extreme": ("results/moments.heat.r0", lambda t: _scaled(t, 6, -1000)),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("kind", ["played", "program"])
def test_changed_moments_contradict_the_rest(both, kind, edit, tmp_path):
    out = tmp_path / "changed.h5"
    shutil.copy(both(kind)[1].path, out)
    place, change = EDITS[edit]
    with h5py.File(unsealed(out), "r+") as opened:
        file: Any = opened
        table = file[place][()]
        change(table)
        file[place][...] = table
    first_law = {check.name: check for check in th.audit(out).checks}["first_law"]
    assert first_law.status == "violated" and "contradict" in first_law.detail


@pytest.mark.parametrize("kind", ["played", "program"])
def test_a_heat_changed_everywhere_breaks_the_first_law_of_the_means(both, kind, tmp_path):
    """Means and squares consistent with each other, and with no path's residual."""
    out = tmp_path / "changed.h5"
    shutil.copy(both(kind)[1].path, out)
    with h5py.File(unsealed(out), "r+") as opened:
        file: Any = opened
        layout = json.loads(file["run/layout"][()])
        scalars, accounts = layout["axes"]["scalar"], layout["axes"]["audited"]
        for heat in ("heat.r0", "heat.total"):
            for name, columns in ((f"results/moments.{heat}", (1, 2)),
                                  ("results/audit.accounts", (0, 1))):  # fmt: skip
                table = file[name][()]
                row = table if "moments" in name else table[accounts.index(heat)]
                row[columns[0]] *= 1.001
                row[columns[1]] *= 1.001**2
                file[name][...] = table
            products, i = file["results/comoments"][()], scalars.index(heat)
            products[i] *= 1.001
            products[:, i] *= 1.001
            file["results/comoments"][...] = products
    first_law = {check.name: check for check in th.audit(out).checks}["first_law"]
    assert first_law.status == "violated" and "contradict" in first_law.detail


def test_copied_paths_are_seen_among_the_sample(tmp_path, monkeypatch):
    """A tile played twice: all its keys are doubled, those of the sample too."""
    plain, tiles = Keeper.add, []

    def add(self, channels):
        tiles.append(channels)
        plain(self, tiles[0])

    monkeypatch.setattr(Keeper, "add", add)
    spec = load_spec(
        "capacitor_program", ["program.ticks=4", "store.every=0", MOMENTS, "simulate.paths=33000"]
    )
    run_spec(spec, tmp_path / "run.h5", progress=False)
    copies = {check.name: check for check in th.audit(tmp_path / "run.h5").checks}["distinct_paths"]
    assert copies.status == "violated" and f"of {KEYS} paths" in copies.detail


def test_in_memory_too(both):
    """The same numbers without a file, of a run that keeps no path."""
    stored = both("program")[1]
    run = th.simulate(stored.setting, paths=40000, seed=stored.settings["seed"], keep="moments")
    assert run.channels == {} and run.ledger.rows == stored.ledger.rows
    assert run.moments.keys() == stored.moments.keys()
    for name, found in run.moments.items():
        assert (found.table == stored.moments[name].table).all()
        assert (found.cells == stored.moments[name].cells).all()
    with pytest.raises(InputError, match=r"run\.books: the run kept moments only .*run\.moments"):
        _ = run.books
    others = [
        th.simulate(stored.setting, paths=10, seed=seed, keep="moments", progress=False)
        for seed in (1, 2)
    ]
    with pytest.raises(InputError, match="run 0 has no paths to join: the run kept moments only"):
        th.pool(others)


def test_quantiles_of_a_run_that_kept_its_paths(both):
    whole, moments = both("played")
    heat = whole.books["heat.r0"]
    for share in (0.05, 0.5, 0.95):
        for run in (whole, moments):
            value = float(run.moments["heat.r0"].quantile(share))
            assert abs((heat <= value).mean() - share) < 0.012  # a cell of a Gaussian


def test_page(both, tmp_path):
    for kind in ("played", "program"):
        page = report(both(kind)[1].path, tmp_path / "page.html").read_text(encoding="utf-8")
        assert "first_law" in page


def test_memory_and_file_do_not_grow_with_paths(tmp_path):
    """Five tiles in place of two: a file of the same size but for checksums of tiles, and the same
    memory: between two tiles nothing is left but totals, so that the peak may differ by small
    objects alone, below a tenth of what the paths of one tile take. (The first run of all loads
    what the others find.)
    """
    sizes, peaks = [], []
    for number, paths in enumerate((10, 32768, 81920)):
        spec = load_spec(
            "capacitor_program",
            ["program.ticks=2", "store.every=0", MOMENTS, f"simulate.paths={paths}"],
        )
        out = tmp_path / f"{number}.h5"
        tracemalloc.start()
        run_spec(spec, out, progress=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append(out.stat().st_size)
    with RunReader.open(out) as run:
        tile = 8 * len(run.channel_names) * run.layout.group
    assert abs(sizes[2] - sizes[1]) < 4096
    assert peaks[2] - peaks[1] < 0.1 * tile


def test_more_paths_than_the_file_has_bytes(tmp_path):
    """Ten million: there is no axis of them, which a reader would take for a bomb."""
    drive = th.Drive(th.load_device("rc1"), None, ticks=1, duration="1 us", start="equilibrium")
    run = tmp_path / "run.h5"
    layout = Keeper(
        DrivenWorld(drive, paths=10**7, seed=0).layout(10**7), lambda table: {}, ()
    ).layout
    with RunWriter.create(run, layout, {"spec": "ten million"}) as writer:
        assert writer.layout.paths == 10**7 > run.stat().st_size
    with RunReader.open(run, partial=True) as opened:
        assert opened.layout.paths == 10**7 and not opened.finished


def test_refusals(tmp_path):
    with pytest.raises(InputError, match=r"store: every = 8 saves frames of every path"):
        load_spec("mixture_rc", [MOMENTS, "store.every=8"])
    with pytest.raises(InputError, match="'paths' or 'moments'"):
        load_spec("mixture_rc", ["store.keep=all"])
    assert "keep" not in json.loads(load_spec("mixture_rc").canonical)["store"]
    made = load_spec("mixture_rc", [MOMENTS, "store.every=none"])
    assert json.loads(made.canonical)["store"] == {"every": 0, "keep": "moments"}
    board = load_spec("board_invert", ["evolve.duration=50 us", MOMENTS, "simulate.paths=10"])
    with pytest.raises(InputError, match="not for a board that solves or inverts"):
        run_spec(board, tmp_path / "run.h5", progress=False)
    frames = load_spec("bit_jumps", [MOMENTS, "simulate.paths=10"])
    with pytest.raises(InputError, match="saves no frames.*set samples to 0"):
        run_spec(frames, tmp_path / "run.h5", progress=False)
    assert not (tmp_path / "run.h5").exists()
    drive = th.Drive(th.load_device("rc1"), None, ticks=4, duration="1 us")
    with pytest.raises(InputError, match="keep = 'mean': expected 'paths' or 'moments'"):
        th.simulate(drive, paths=10, keep="mean")
    with pytest.raises(InputError, match="every = 2 saves frames"):
        th.simulate(drive, paths=10, keep="moments", every=2)


def test_another_keep_is_another_run(tmp_path):
    small = ["program.ticks=4", "simulate.paths=100", "store.every=0"]
    out = tmp_path / "run.h5"
    run_spec(load_spec("capacitor_program", small), out, progress=False)
    with pytest.raises(InputError, match="keep"):
        run_spec(load_spec("capacitor_program", [*small, MOMENTS, "simulate.paths=200"]), out,
                 resume=True, progress=False)  # fmt: skip
