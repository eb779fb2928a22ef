"""Training a U-Net: learns pictures, repeats itself, goes on where it stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import VE, VP
from thermohw.score.network.design import design, schedule
from thermohw.score.training import Training, fit_score
from thermohw.score.training.state import TrainingState
from thermohw.score.weights import score_to_bytes
from thermohw.target import DataSet, gaussian_pixels, uniform_pixels

PROCESS = VP(t_min=1e-3)


def stripes() -> DataSet:
    """Pictures of 5 x 4 pixels, rows alike, in three splits."""
    rng = np.random.default_rng(8)
    rows = np.repeat(rng.integers(0, 4, (200, 5)), 4, axis=1)
    split = np.repeat([0, 1, 2], [150, 25, 25])
    table = {"kind": "grey"}
    return DataSet(rows, split, table=table, name="stripes", step=1.0, image_shape=(5, 4))


def small(steps: int = 20, **options) -> dict:
    architecture = {"trunk": "unet", "width": 6, "bumps": 5, "dropout": 0.1}
    return {"steps": steps, "architecture": architecture, "states": 4, "progress": False} | options


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_seeds_decide_everything(precision):
    first, again, other = (
        score_to_bytes(fit_score(stripes(), PROCESS, seed=s, precision=precision, **small()))
        for s in (3, 3, 4)
    )
    assert first == again and first != other


def test_two_threads_repeat_themselves():
    head = design(stripes(), PROCESS, small()["architecture"])
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        pair = [Training(stripes(), head, schedule(stripes(), {"states": 4})) for _ in range(2)]
        for training in pair:
            for _ in range(3):
                training.step()
    finally:
        torch.set_num_threads(before)
    assert torch.equal(pair[0].state.weights, pair[1].state.weights)


def test_a_checkpoint_continues_bit_for_bit(tmp_path):
    architecture = small()["architecture"]
    head, settings = design(stripes(), PROCESS, architecture), schedule(stripes(), {"states": 4})
    whole, half = (Training(stripes(), head, settings) for _ in range(2))
    for _ in range(20):
        whole.step()
    for _ in range(10):
        half.step()
    half.state.seconds = 1.5
    half.state.save(tmp_path / "c", half.plan)
    resumed = Training(stripes(), head, settings)
    resumed.state = TrainingState.load(tmp_path / "c", resumed.plan)
    assert resumed.state.seconds == 1.5
    for _ in range(10):
        resumed.step()
    for name in ("weights", "average", "first", "second"):
        assert torch.equal(getattr(whole.state, name), getattr(resumed.state, name)), name
    assert whole.validate() == resumed.validate()
    assert score_to_bytes(whole.result()) == score_to_bytes(resumed.result())


def test_an_interrupted_training_resumes(tmp_path, monkeypatch):
    checkpoint, step = tmp_path / "c", Training.step
    uninterrupted = fit_score(stripes(), PROCESS, **small(60))

    def interrupted(self: Training) -> None:
        if self.state.step == 55:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Training, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_score(stripes(), PROCESS, checkpoint=checkpoint, **small(60))
    monkeypatch.undo()
    resumed = fit_score(stripes(), PROCESS, checkpoint=checkpoint, **small(60))
    assert score_to_bytes(resumed) == score_to_bytes(uninterrupted)
    assert resumed.effort is not None and resumed.effort["cpu_seconds"] > 0.0
    with pytest.raises(InputError, match="another .*architecture.*delete it"):
        deeper = small(60, architecture=small()["architecture"] | {"depth": 2})
        fit_score(stripes(), PROCESS, checkpoint=checkpoint, **deeper)


def test_pixels_that_are_not_gaussian_are_learned():
    # The best Gaussian lacks KL(uniform || Gaussian) = 0.176485 nats a pixel.
    target = uniform_pixels(4)
    sizes = {"trunk": "unet", "head": "plain", "width": 12}
    options = {"steps": 350, "states": 12, "learning_rate": 1e-2, "times": 16}
    score = fit_score(target, VE(25.0), architecture=sizes, progress=False, **options)
    steps, losses, bounds = np.array(score.record["validation"]).T
    gaussian = target.dim * 0.5 * math.log(2.0 * math.pi * math.e / 12.0)
    assert target.entropy is not None
    assert 0.0 < bounds[-1] - target.entropy < 0.75 * gaussian
    assert list(steps) == [50, 100, 150, 200, 250, 300, 350] and losses[-1] < losses[0]


def test_a_plain_head_must_learn_a_gaussian():
    target = gaussian_pixels(4)
    architecture = {"trunk": "unet", "width": 8}
    options = schedule(target, {"steps": 100, "states": 4, "learning_rate": 5e-3})
    known, plain = (
        Training(target, design(target, VE(25.0), architecture | {"head": head}), options)
        for head in ("gaussian", "plain")
    )
    assert target.entropy is not None
    entropy = target.entropy - target.log_volume
    start = plain.validate()
    # the one that knows it starts at the bound's own statistical error: 2048 pairs, whose
    # Mahalanobis halves have variance dim/2 each
    assert abs(known.validate() - entropy) < 4.0 * math.sqrt(16 / 2 / 2048)
    assert start - entropy > 20.0
    for _ in range(100):
        plain.step()
    assert plain.validate() - entropy < 0.1 * (start - entropy)


def test_precisions_are_checked():
    with pytest.raises(InputError, match=r"precision.*float16"):
        fit_score(stripes(), PROCESS, precision="float16", **small())
    with pytest.raises(InputError, match="bfloat16 is for the U-Net"):
        dense = small(architecture={"width": 4})
        fit_score(stripes(), PROCESS, precision="bfloat16", **dense)
    score = fit_score(stripes(), PROCESS, precision="bfloat16", **small())
    assert score.record["training"]["precision"] == "bfloat16"
    assert all(v.dtype == torch.float32 for v in score.parameters.values())
