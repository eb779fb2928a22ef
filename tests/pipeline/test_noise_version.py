"""A run goes on only with the noise that its paths were drawn with."""

from __future__ import annotations

import gzip
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

import thermohw as th
from thermohw.errors import StoreError
from thermohw.noise import VERSION
from thermohw.pipeline import load_spec, run_spec
from thermohw.run import play
from thermohw.run.noise import noise_of, require_noise
from thermohw.store import RunReader, verify

GOLDEN = Path(__file__).parent.parent / "data"
KINDS = {
    "played": ("mixture_rc", ["protocol.ticks=8", "store.every=0", "likelihood.test=0",
                              "audit.twins=false"], 32768),
    "program": ("capacitor_program", ["program.ticks=4"], 16384),
    "free": ("trap_free", ["program.duration=2 us", "store.every=0"], 16384),
    "jumps": ("bit_jumps", ["jumps.duration=0.2 ns", "jumps.samples=2"], 4096),
    "evolve": ("resonator_evolve", ["evolve.duration=1 us", "evolve.samples=2"], 1024),
}  # fmt: skip


def spec_of(kind, paths):
    name, overrides, _ = KINDS[kind]
    return load_spec(name, [*overrides, f"simulate.paths={paths}"])


def run(kind, paths, path, monkeypatch, *, noise, killed=False):
    """A run whose file says `noise` (None: nothing), killed after its first tile or complete."""
    right = play.play_into_file
    opened = []

    def older(world, paths, path, tree, **options):
        kept = {name: value for name, value in tree.items() if name != "noise"}
        right_open = world.open

        def stop(*args):
            opened.append(args)
            if killed and len(opened) > 1:
                raise KeyboardInterrupt
            return right_open(*args)

        world.open = stop
        tree = kept if noise is None else kept | {"noise": noise}
        return right(world, paths, path, tree, **options)

    with monkeypatch.context() as before, ExitStack() as stack:
        for place in ("simulate", "unscored"):
            module = import_module(f"thermohw.pipeline.{place}")
            before.setattr(module, "play_into_file", older)
        if killed:
            stack.enter_context(pytest.raises(KeyboardInterrupt))
        run_spec(spec_of(kind, paths), path, progress=False)


def again(kind, paths, path):
    return run_spec(spec_of(kind, paths), path, resume=True, progress=False)


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_says_its_noise(tmp_path, kind):
    path = tmp_path / "run.h5"
    run_spec(spec_of(kind, 64), path, progress=False)
    with RunReader.open(path) as run:
        assert run.parameters["noise"] == VERSION == noise_of(run.parameters, "run.h5")
    assert verify(path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_of_an_older_noise_no_run_goes_on(tmp_path, monkeypatch, kind):
    """Unfinished, and finished but asked for more paths; the file stays as it is."""
    tile = KINDS[kind][2]
    for name, killed, wanted in (("half", True, tile + 64), ("whole", False, tile + 64)):
        path = tmp_path / f"{name}.h5"
        run(kind, tile + 64 if killed else 64, path, monkeypatch, noise=None, killed=killed)
        before = path.read_bytes()
        with pytest.raises(StoreError, match="noise 1, from generators .* run it anew") as refused:
            again(kind, wanted, path)
        assert str(path) in str(refused.value) and "\n" not in str(refused.value)
        assert path.read_bytes() == before
        assert not path.with_name(path.name + ".extended").exists()


@pytest.mark.parametrize("kind", ["played", "jumps"])
def test_of_this_noise_it_goes_on(tmp_path, monkeypatch, kind):
    tile = KINDS[kind][2]
    path = tmp_path / "run.h5"
    run(kind, tile + 64, path, monkeypatch, noise=VERSION, killed=True)
    assert again(kind, tile + 64, path).settings["paths"] == tile + 64


def test_of_a_later_noise_the_later_version_is_named(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    run("jumps", 64, path, monkeypatch, noise=VERSION + 1)
    with pytest.raises(StoreError, match="does not have yet.*use the version that made it"):
        again("jumps", 128, path)


def test_an_interrupted_extension_of_an_older_noise(tmp_path, monkeypatch):
    """The shorter run is refused before the longer one beside it is looked at."""
    path = tmp_path / "run.h5"
    run("jumps", 64, path, monkeypatch, noise=None)
    path.with_name("run.h5.extended").write_bytes(path.read_bytes())
    with pytest.raises(StoreError, match="noise 1"):
        again("jumps", 128, path)


@pytest.mark.parametrize("wrong", [0, -1, True, 2.0, "two", b"2"])
def test_what_is_no_version(wrong):
    for ask in (noise_of, require_noise):
        with pytest.raises(StoreError, match="run.h5: /parameters/noise is .*1 or more"):
            ask({"noise": wrong}, "run.h5")


GOLDEN_RUNS = [
    *(("0.1.0", name) for name in ("clocked-emf", "kalman", "langevin")),
    *(("0.2.0", name) for name in ("continuous-emf", "program", "free", "jumps", "evolve",
                                   "solve", "invert")),
]  # fmt: skip


@pytest.mark.parametrize(("release", "name"), GOLDEN_RUNS)
def test_golden_runs_do_not_grow(tmp_path, release, name):
    """Every kind of an earlier version, by its own SPEC with a path more; complete as it is."""
    path = tmp_path / "run.h5"
    path.write_bytes(gzip.decompress((GOLDEN / f"golden_{release}/{name}.h5.gz").read_bytes()))
    stored = th.Run.open(path)
    asked = {key: value for key, value in stored.settings.items() if key != "paths"}
    played = getattr(stored.setting, "protocol", stored.setting)
    asked |= {"target": stored.setting.target} if played is not stored.setting else {}
    with RunReader.open(path) as file:
        spec, held = file.parameters["spec"], file.layout.paths
    assert f'"paths": {held}' in spec
    longer = spec.replace(f'"paths": {held}', f'"paths": {held + 1}')
    options = {"store": path, "resume": True, "progress": False, **asked}
    with pytest.raises(StoreError, match="noise 1, from generators"):
        th.simulate(played, paths=held + 1, spec=longer, **options)
    with pytest.raises(StoreError, match="nothing to resume"):
        th.simulate(played, paths=held, spec=spec, **options)
