"""What a run leaves: equal files of equal runs, nothing of diverged ones; foreign checkpoints."""

import hashlib
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch

from thermohw.errors import InputError
from thermohw.pipeline import load_spec, run_spec
from thermohw.score.training.state import TrainingState, _digest

SMALL = ["simulate.paths=200", "protocol.ticks=64", "likelihood.test=16", "store.every=16"]
NETWORK = [*SMALL, "score.kind=network", "score.steps=60", "likelihood.test=0", "audit.twins=false"]
NETWORK.append("score.architecture={width=8, bumps=4}")


def contents(path):
    """Every dataset and every attribute outside /provenance, and but for the checksum of the bytes
    of all, which are of provenance too.
    """
    found = {}
    with h5py.File(path) as file:

        def visit(name, item):
            if name.split("/")[0] == "provenance" or name == "checksums/skeleton":
                return
            for key, value in item.attrs.items():
                found[f"{name}@{key}"] = repr(np.asarray(value, dtype=object).tolist())
            if isinstance(item, h5py.Dataset) and item.dtype != h5py.ref_dtype:
                found[name] = hashlib.sha256(repr(item[()]).encode()).hexdigest() if (
                    item.dtype.kind == "O") else item[()].tobytes()  # fmt: skip

        for key, value in file.attrs.items():
            found[f"@{key}"] = repr(value)
        file.visititems(visit)
    # References to other objects print their addresses.
    return {k: v for k, v in found.items() if "@DIMENSION_LIST" not in k and "@REFERENCE" not in k}


@pytest.mark.parametrize("settings", [SMALL, NETWORK], ids=["exact", "network"])
def test_equal_runs_are_equal_files_but_for_provenance(tmp_path, settings):
    for name in ("a.h5", "b.h5"):
        run_spec(load_spec("mixture_rc", settings), tmp_path / name, progress=False)
    a, b = contents(tmp_path / "a.h5"), contents(tmp_path / "b.h5")
    assert len(a) > 100 and a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "b.h5"]


DIVERGING = {
    "states": ["protocol.ticks=512", "score.scale=-400", "likelihood.test=0", "simulate.paths=200"],
    "later": ["protocol.ticks=512", "score.scale=-400", "likelihood.test=0", "store.every=1"]
    + ["simulate.paths=20000"],
    "accounts": ["protocol.ticks=64", "score.scale=-300", "likelihood.test=0", *SMALL[:1]],
    "flow": ["protocol.ticks=64", "score.scale=1e300", "likelihood.test=16", *SMALL[:1]],
}


@pytest.mark.parametrize("name", DIVERGING)
def test_a_diverging_run_leaves_no_file(tmp_path, name, recwarn):
    with pytest.raises(InputError, match="not finite|too large") as caught:
        spec = load_spec("mixture_rc", DIVERGING[name])
        run_spec(spec, tmp_path / "d.h5", progress=False)
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == []
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_a_slip_in_the_protocol_is_told_before_the_training(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("it trained")

    monkeypatch.setattr("thermohw.score.training.fit_score", never)
    for slip in (
        "protocol.control=clock", "protocol.adc_range=[1, 2]", "protocol.latency=5 ns",
        "process.prior=flat", "likelihood.solver=fixed", "protocol.ticks=4", "protocol.latency=1 s",
        "protocol.dac_bits=40", "device.name=rlc1", "process={kind='langevin'}",
    ):  # fmt: skip
        settings = ["score={kind='network'}", slip]
        with pytest.raises(InputError, match=slip.partition(".")[0].partition("=")[0]):
            run_spec(load_spec("mixture_rc", settings), tmp_path / "d.h5", progress=False)
    assert os.listdir(tmp_path) == []


def test_a_diverging_command_says_one_line(tmp_path):
    words = [f"--set={text}" for text in DIVERGING["accounts"]]
    done = subprocess.run(
        [sys.executable, "-m", "thermohw", "run", "mixture_rc", *words, "--out", "d.h5"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and os.listdir(tmp_path) == []
    assert done.stderr.startswith("thermohw: ") and len(done.stderr.splitlines()) == 1


def test_a_file_of_others_outlives_a_refused_run(tmp_path):
    (tmp_path / "d.h5").write_text("precious")
    for resume in (False, True):
        with pytest.raises(InputError):
            spec = load_spec("mixture_rc", DIVERGING["states"])
            run_spec(spec, tmp_path / "d.h5", progress=False, resume=resume)
    assert (tmp_path / "d.h5").read_text() == "precious"


def test_a_checkpoint_nobody_asked_for_is_refused_and_kept(tmp_path):
    checkpoint = tmp_path / "r.h5.training"
    for settings in (NETWORK, SMALL):
        checkpoint.write_text("foreign")
        with pytest.raises(InputError, match=r"r\.h5\.training: .*--resume, or delete") as caught:
            run_spec(load_spec("mixture_rc", settings), tmp_path / "r.h5", progress=False)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="not a whole training checkpoint"):
        run_spec(load_spec("mixture_rc", NETWORK), tmp_path / "r.h5", progress=False, resume=True)
    assert checkpoint.read_text() == "foreign" and os.listdir(tmp_path) == [checkpoint.name]
    # A run without training neither reads nor removes it.
    run_spec(load_spec("mixture_rc", SMALL), tmp_path / "r.h5", progress=False, resume=True)
    assert checkpoint.read_text() == "foreign"


def test_a_training_goes_on_where_asked_to(tmp_path, monkeypatch):
    save = TrainingState.save

    def stop(self, path, plan):
        save(self, path, plan)
        raise KeyboardInterrupt

    spec = load_spec("mixture_rc", NETWORK)
    run_spec(spec, tmp_path / "whole.h5", progress=False)
    monkeypatch.setattr(TrainingState, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        run_spec(spec, tmp_path / "r.h5", progress=False)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == ["r.h5.training", "whole.h5"]
    other = load_spec("mixture_rc", [*NETWORK, "score.steps=70"])
    with pytest.raises(InputError, match="another steps; delete it"):
        run_spec(other, tmp_path / "r.h5", progress=False, resume=True)
    run_spec(spec, tmp_path / "r.h5", progress=False, resume=True)
    assert sorted(os.listdir(tmp_path)) == ["r.h5", "whole.h5"]
    assert contents(tmp_path / "r.h5") == contents(tmp_path / "whole.h5")


@pytest.fixture(scope="module")
def saved():
    generator = torch.Generator().manual_seed(1)
    state = TrainingState.start(torch.linspace(0.0, 1.0, 12), generator)
    state.judge(0.5)
    return state


def rewritten(path, change, *, sign=True):
    """The checkpoint with something else in it, with a fitting digest or the old one."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
    tensors = safetensors.torch.load_file(path)
    change(header, tensors)
    if sign:
        header["sha256"] = _digest(header, tensors)
    path.write_bytes(safetensors.torch.save(tensors, header))


CHANGES = {
    "a weight, digest of before": (lambda h, t: t["weights"].add_(1.0), False, "sha256"),
    "a step, digest of before": (
        lambda h, t: h.update(facts=h["facts"].replace('"step": 0', '"step": 5')), False, "sha256"),
    "longer": (lambda h, t: t.update(weights=torch.zeros(13)), True, "shape"),
    "all longer": (lambda h, t: t.update(
        {k: torch.zeros(13) for k in t if k != "generator"}), True, "shape"),
    "doubles": (lambda h, t: t.update(first=torch.zeros(12).double()), True, "float32"),
    "a generator of another kind": (
        lambda h, t: t.update(generator=torch.zeros(3, dtype=torch.uint8)), True, "generator"),
    "not finite": (lambda h, t: t["best"].fill_(float("nan")), True, "not finite"),
    "an array more": (lambda h, t: t.update(more=torch.zeros(1)), True, "arrays"),
    "a step of text": (
        lambda h, t: h.update(facts=h["facts"].replace('"step": 0', '"step": "x"')), True, "step"),
    "facts that are none": (lambda h, t: h.update(facts="[]"), True, "not a whole"),
    "a plan that is none": (lambda h, t: h.update(plan="[1]"), True, "not a whole"),
    "another plan": (lambda h, t: h.update(plan='{"target": "b"}'), True, "another target"),
    "an older format": (lambda h, t: h.update(format="thermohw-training/1"), True,
                        "not a training"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_is_believed_only_where_all_of_it_fits(tmp_path, saved, name):
    path, plan = tmp_path / "c", {"target": "a"}
    saved.save(path, plan)
    assert torch.equal(TrainingState.load(path, plan, size=12).weights, saved.weights)
    change, sign, words = CHANGES[name]
    rewritten(path, change, sign=sign)
    with pytest.raises(InputError, match=words) as caught:
        TrainingState.load(path, plan, size=12)
    assert "\n" not in str(caught.value) and "delete it" in str(caught.value)


def test_one_path_still_runs(tmp_path):
    """A single path has no standard error; that is not an overflow."""
    spec = load_spec("mixture_rc", [*SMALL, "simulate.paths=1", "likelihood.test=0"])
    assert run_spec(spec, tmp_path / "x.h5", progress=False).path == tmp_path / "x.h5"
