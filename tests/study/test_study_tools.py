"""Streams that depend on their cell alone; networks trained once."""

import threading
from pathlib import Path

import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import VP
from thermohw.score.training import Training, fit_score
from thermohw.score.training.state import TrainingState
from thermohw.score.weights import score_to_bytes
from thermohw.study import Tools
from thermohw.study.tools import network_hash
from thermohw.target import gaussian

TARGET, PROCESS = gaussian([0.0], [0.5]), VP(t_min=1e-3)
SMALL = {"steps": 120, "architecture": {"width": 8}, "times": 4, "states": 4}


def draw(cell, stream: str | int = "x", seed=0, **options):
    tools = Tools(cell, seed, Path("nowhere"))
    return torch.randn(4, generator=tools.generator(stream, **options)).tolist()


def test_a_stream_depends_on_seed_cell_and_name_alone():
    cell = {"n": 1, "kind": "a"}
    assert draw(cell) == draw({"kind": "a", "n": 1})
    others = [draw(cell, "y"), draw(cell, 0), draw(cell, seed=1), draw({"n": 2, "kind": "a"})]
    others += [draw({"n": 1, "kind": "a", "m": None}), draw(cell, seed=2**32)]
    assert len({tuple(numbers) for numbers in [draw(cell), *others]}) == 7


def test_streams_can_be_shared_by_cells_that_agree():
    one, two = {"n": 1, "kind": "a"}, {"n": 1, "kind": "b"}
    assert draw(one) != draw(two)
    assert draw(one, shared=("n",)) == draw(two, shared=("n",)) != draw({"n": 2}, shared=("n",))
    assert draw(one, shared=()) == draw({"m": 3}, shared=())
    with pytest.raises(KeyError):
        draw(one, shared=("m",))


def test_streams_are_independent_normals():
    """The mean of 400 first draws: standard error 1/20."""
    first = torch.tensor([draw({"n": n})[0] for n in range(400)])
    assert abs(float(first.mean())) < 4 / 20
    assert abs(float(first.var()) - 1.0) < 4 * (2 / 400) ** 0.5


@pytest.fixture
def steps(monkeypatch):
    """Counts training steps."""
    counted = []
    real = Training.step
    monkeypatch.setattr(Training, "step", lambda self: (counted.append(1), real(self))[1])
    return counted


def test_a_network_is_trained_once(tmp_path, steps):
    first = Tools({"a": 1}, 0, tmp_path / "networks").score(TARGET, PROCESS, seed=3, **SMALL)
    again = Tools({"a": 2}, 5, tmp_path / "networks").score(TARGET, PROCESS, seed=3, **SMALL)
    assert len(steps) == 120
    direct = fit_score(TARGET, PROCESS, seed=3, progress=False, **SMALL)
    assert score_to_bytes(first) == score_to_bytes(again) == score_to_bytes(direct)
    names = sorted(f.suffix for f in (tmp_path / "networks").iterdir())
    assert names == [".lock", ".safetensors"]


def test_everything_that_fixes_a_training_is_in_its_name():
    base = {"seed": 0, "steps": 5}
    names = {
        network_hash(TARGET, PROCESS, base),
        network_hash(TARGET, PROCESS, {**base, "seed": 1}),
        network_hash(TARGET, PROCESS, {**base, "times": 8}),
        network_hash(TARGET, VP(beta_max=10.0, t_min=1e-3), base),
        network_hash(gaussian([0.0], [0.25]), PROCESS, base),
    }
    assert len(names) == 5 and network_hash(gaussian([0.0], [0.5]), PROCESS, base) in names


@pytest.mark.parametrize("damage", [False, True])
def test_an_interrupted_training_goes_on(tmp_path, steps, monkeypatch, damage):
    tools = Tools({}, 0, tmp_path)
    real = TrainingState.save

    def save_once(self, path, plan):
        real(self, path, plan)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        tools.score(TARGET, PROCESS, seed=3, **SMALL)
    monkeypatch.setattr(TrainingState, "save", real)
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    done = len(steps)
    assert 0 < done < 120
    if damage:
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    found = tools.score(TARGET, PROCESS, seed=3, **SMALL)
    assert len(steps) == (done + 120 if damage else 120) and not checkpoint.exists()
    direct = fit_score(TARGET, PROCESS, seed=3, progress=False, **SMALL)
    assert score_to_bytes(found) == score_to_bytes(direct)


def test_a_damaged_network_is_trained_again(tmp_path, steps):
    tools = Tools({}, 0, tmp_path)
    first = score_to_bytes(tools.score(TARGET, PROCESS, **SMALL))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-7])
    assert score_to_bytes(tools.score(TARGET, PROCESS, **SMALL)) == first and len(steps) == 240


def test_two_who_want_the_same_network_train_it_once(tmp_path, steps):
    found = []

    def ask():
        found.append(Tools({}, 0, tmp_path).score(TARGET, PROCESS, **SMALL))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) == 120 and score_to_bytes(found[0]) == score_to_bytes(found[1])


def test_settings_that_cannot_be_used_are_refused(tmp_path):
    with pytest.raises(InputError):
        Tools({}, 0, tmp_path).score(TARGET, PROCESS, steps=-1)
