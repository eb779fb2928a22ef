"""Pooled runs: the numbers of all paths together, and nothing that fakes precision."""

import numpy as np
import pytest

import thermohw as th
from thermohw.errors import InputError
from thermohw.estimate import Estimate
from thermohw.pipeline import load_spec, run_spec

SPECS = {
    "mixture_rc": ["protocol.ticks=48", "likelihood.test=0", "audit.twins=false", "store.every=12"],
    "capacitor_program": ["program.ticks=20", "store.every=5"],
    "resonator_evolve": ["evolve.duration=1 us", "evolve.samples=4"],
    "bit_jumps": ["jumps.duration=1 ns", "jumps.start=uncharged", "jumps.samples=3"],
}


def stored(folder, spec, seed, paths, *more):
    overrides = [*SPECS[spec], f"simulate.paths={paths}", f"simulate.seed={seed}", *more]
    path = folder / f"{spec}{seed}.h5"
    return run_spec(load_spec(spec, overrides), path, progress=False)


@pytest.mark.parametrize("spec", SPECS)
def test_a_pool_is_its_paths_together(tmp_path, spec):
    """Unequal numbers of paths: means are over paths and not over runs."""
    runs = [stored(tmp_path, spec, seed, paths) for seed, paths in ((0, 60), (1, 100), (7, 40))]
    pooled = th.pool([runs[0], runs[1].path, str(runs[2].path)])
    assert pooled.ledger.paths == pooled.books.paths == pooled.settings["paths"] == 200
    assert pooled.settings["seed"] == (0, 1, 7)
    for name in runs[0].books:
        together = np.concatenate([run.books[name] for run in runs])
        assert np.array_equal(pooled.books[name], together), name
        assert pooled.books.mean(name) == Estimate.from_paths(together)
    assert pooled.ledger.rows["heat.total"] == Estimate.from_paths(pooled.books["heat.total"])
    shares = [run.ledger.rows["heat.total"].stderr ** 2 * run.books.paths**2 for run in runs]
    expected = np.sqrt(sum(shares)) / 200
    assert pooled.ledger.rows["heat.total"].stderr == pytest.approx(expected, rel=0.1)
    frames = np.concatenate([run.frames["voltage"] for run in runs], axis=1)
    assert np.array_equal(pooled.frames["voltage"], frames) and "voltage" in pooled.frames
    assert np.array_equal(pooled.frames.times, runs[0].frames.times)
    for ask in (pooled.audit, pooled.report, pooled.to_xarray, lambda: pooled.facts):
        with pytest.raises(InputError, match="a pool is no file: ask each of its runs"):
            ask()
    with pytest.raises(InputError, match="has the seed of"):
        th.pool([pooled, runs[1]])


def test_runs_in_memory_pool_with_stored_ones(tmp_path):
    kept = stored(tmp_path, "mixture_rc", 0, 50)
    protocol, target = kept.setting.protocol, kept.setting.target
    memory = th.simulate(
        protocol, paths=50, seed=1, dtype="float64", target=target, start="marginal"
    )
    pooled = th.pool([memory, kept])
    assert pooled.books.paths == 100 and "heat.r0" in str(pooled.ledger)
    with pytest.raises(InputError, match="not stored"):
        _ = pooled.frames
    single = th.simulate(
        protocol, paths=50, seed=2, dtype="float32", target=target, start="marginal"
    )
    with pytest.raises(InputError, match="run 1 differs from .*mixture_rc0.h5 in simulate.dtype"):
        th.pool([kept, single])


def test_what_would_be_no_longer_run_is_refused(tmp_path):
    first = stored(tmp_path, "capacitor_program", 0, 30)
    other = stored(tmp_path, "capacitor_program", 1, 30, "program.ticks=30")
    bit = stored(tmp_path, "bit_jumps", 1, 30)
    again = th.simulate(first.setting, paths=20, seed=0)
    coarse = stored(tmp_path, "capacitor_program", 3, 30, "store.every=10")
    for runs, words in (
        ([first, other], "capacitor_program1.h5 differs from .*0.h5 in program.ticks"),
        ([first, bit], "in kind"),
        ([first, first], "the same, and counting them twice would fake precision"),
        ([first, again], "run 1 has the seed of .*capacitor_program0.h5"),
        ([first], "expected at least two runs, found 1"),
        ([], "at least two runs, found 0"),
        (first, "expected a list of runs"),
        (first.path, "expected a list of runs"),
        ([first, 3], "int is no run"),
        ([first, first.setting], "Drive is no run"),
        ([first, tmp_path / "none.h5"], "no such file"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            th.pool(runs)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="saved different frames"):
        _ = th.pool([first, coarse]).frames
