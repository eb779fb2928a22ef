"""Training: learns known scores, survives interruptions, refuses what is not its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thermohw.errors import InputError
from thermohw.process import OU, VE, VP
from thermohw.score.network import NetworkScore
from thermohw.score.network.design import design, schedule
from thermohw.score.training import Training, fit_score
from thermohw.score.training.state import TrainingState
from thermohw.score.weights import score_to_bytes
from thermohw.target import DataSet, gaussian_mixture

LINE = gaussian_mixture([[-1.5], [1.5]], [0.3, 0.3], [0.35, 0.65])
PROCESS = VP(t_min=1e-3)


def grey() -> DataSet:
    """Two correlated coordinates with six levels, 80 % low, in three splits."""
    rng = np.random.default_rng(8)
    first = np.where(rng.random(400) < 0.8, 0, 5)
    rows = np.stack([first, np.clip(first + rng.integers(-1, 2, 400), 0, 5)], 1)
    split = np.repeat([0, 1, 2], [300, 50, 50])
    return DataSet(rows, split, table={"kind": "grey"}, name="grey", step=1.0)


def small(steps: int = 60, **options) -> dict:
    return {"steps": steps, "architecture": {"width": 16}, "states": 4, "progress": False} | options


def score_error(score: NetworkScore, cells: int = 100, n: int = 2000) -> float:
    """(1/2) int g^2 E|s_th - s|^2 dt over lambda, nats: what the score error adds to the NLL."""
    exact, generator = LINE.score(PROCESS), torch.Generator().manual_seed(9)
    levels = np.linspace(PROCESS.log_snr(PROCESS.t_min), PROCESS.log_snr(1.0), cells + 1)
    total = 0.0
    for level in 0.5 * (levels[1:] + levels[:-1]):
        t = PROCESS.time_at_log_snr(level)
        x = exact.sample(n, t, generator)
        noise = PROCESS.transition(t)[1]
        error = float((score.at(t)(x) - exact.at(t)(x)).square().sum(1).mean())
        total += 0.5 * noise * error * (levels[0] - levels[-1]) / cells
    return total


def test_a_mixture_is_learned():
    score = fit_score(LINE, PROCESS, seed=0, progress=False)
    start = dict(score.parameters) | {
        name: torch.zeros_like(score.parameters[name]) for name in ("weight_3", "shift_3")
    }
    gaussian_error = score_error(NetworkScore(score.head, start))
    error = score_error(score)
    # the untrained network is the best Gaussian; learning removes 99 % of what that lacks
    assert gaussian_error > 0.3
    assert error < 0.01 * gaussian_error
    curve = np.array(score.record["validation"])
    assert curve[-1, 0] == schedule(LINE, {})["steps"] and curve[-1, 2] < curve[0, 2]
    assert not score.exact and score.target is LINE and score.narrowest == LINE.narrowest


def test_dequantised_rows_are_learned():
    target = grey()
    score = fit_score(target, PROCESS, **small(300))
    assert score.head.kind == "levels"
    curve = np.array(score.record["validation"])[:, 2]
    gaussian_nll = 0.5 * float(
        np.linalg.slogdet(2.0 * np.pi * np.e * target.covariance * target.scale**2)[1]
    )
    assert curve.min() < gaussian_nll - 1.0
    assert (
        curve.min()
        == curve[
            [row[0] for row in score.record["validation"]].index(
                score.record["training"]["best_step"]
            )
        ]
    )


def test_a_data_set_keeps_the_best_weights_and_an_analytic_target_the_last():
    for target, name in ((grey(), "best"), (LINE, "average")):
        training = Training(target, design(target, PROCESS), schedule(target, {"states": 1}))
        for bound in (1.0, 2.0):
            for _ in range(3):
                training.step()
            training.state.judge(bound)
        state = training.state
        assert state.best_step == 3 and not torch.equal(state.best, state.average)
        kept = torch.cat([v.flatten() for v in training.result().parameters.values()])
        assert torch.equal(kept, getattr(state, name))


def test_the_optimiser_is_adamw():
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(20, generator=generator)
    decay = torch.cat([torch.full((10,), 0.3), torch.zeros(10)])
    state = TrainingState.start(start, generator)
    parts = [start[:10].clone().requires_grad_(), start[10:].clone().requires_grad_()]
    groups = [{"params": [p], "weight_decay": w} for p, w in zip(parts, (0.3, 0.0), strict=True)]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), eps=1e-8)
    average = start.clone()
    for step in range(1, 31):
        gradient = torch.randn(20, generator=generator)
        gradient *= (0.5 if step % 2 else 3.0) / gradient.norm()  # below and above the clip
        state.update(gradient, rate=0.01, decay=decay, half_life=4.0)
        for part, g in zip(parts, gradient.split(10), strict=True):
            part.grad = g / max(1.0, float(gradient.norm()))
        reference.step()
        weights = torch.cat([p.detach() for p in parts])
        memory = min(0.5**0.25, (1 + step) / (10 + step))
        average = memory * average + (1.0 - memory) * weights
        # a few hundred roundings of float32
        torch.testing.assert_close(state.weights, weights, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(state.average, average, rtol=1e-5, atol=1e-6)


def test_seeds_decide_everything():
    first, again, other = (
        score_to_bytes(fit_score(grey(), PROCESS, seed=seed, **small())) for seed in (3, 3, 4)
    )
    assert first == again and first != other


def test_a_checkpoint_continues_bit_for_bit(tmp_path):
    head, settings = design(grey(), PROCESS, {"width": 16, "dropout": 0.1}), schedule(grey(), {})
    whole, half = (Training(grey(), head, settings) for _ in range(2))
    for _ in range(40):
        whole.step()
    for _ in range(20):
        half.step()
    half.state.save(tmp_path / "c", half.plan)
    resumed = Training(grey(), head, settings)
    resumed.state = TrainingState.load(tmp_path / "c", resumed.plan)
    for _ in range(20):
        resumed.step()
    for name in ("weights", "average", "first", "second"):
        assert torch.equal(getattr(whole.state, name), getattr(resumed.state, name)), name
    assert whole.validate() == resumed.validate() and whole.state.loss == resumed.state.loss


def test_an_interrupted_training_resumes(tmp_path, monkeypatch):
    checkpoint = tmp_path / "c"
    uninterrupted = score_to_bytes(fit_score(grey(), PROCESS, **small(160)))
    step = Training.step

    def interrupted(self: Training) -> None:
        if self.state.step == 130:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(Training, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_score(grey(), PROCESS, checkpoint=checkpoint, **small(160))
    monkeypatch.undo()
    training = Training(
        grey(),
        design(grey(), PROCESS, {"width": 16}),
        schedule(grey(), {"steps": 160, "states": 4}),
    )
    assert TrainingState.load(checkpoint, training.plan).step == 100
    resumed = fit_score(grey(), PROCESS, checkpoint=checkpoint, **small(160))
    assert score_to_bytes(resumed) == uninterrupted
    # a finished checkpoint is the result; nothing is trained again
    monkeypatch.setattr(Training, "step", lambda self: pytest.fail("trained again"))
    again = fit_score(grey(), PROCESS, checkpoint=checkpoint, **small(160))
    assert score_to_bytes(again) == uninterrupted
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_checkpoints_of_other_trainings_and_damaged_ones(tmp_path):
    checkpoint = tmp_path / "c"
    fit_score(grey(), PROCESS, checkpoint=checkpoint, **small(50))
    others = [
        (grey(), PROCESS, {"seed": 1}, "seed"),
        (grey(), VE(25.0), {}, "process"),
        (grey(), PROCESS, {"steps": 51}, "steps"),
        (grey(), PROCESS, {"architecture": {"width": 17}}, "architecture"),
        (gaussian_mixture([[0.0, 0.0]], [[1.0, 1.0]], [1.0]), OU(3.0), {}, "data.*target"),
    ]
    for target, process, change, word in others:
        with pytest.raises(InputError, match=f"another .*{word}.*delete it"):
            fit_score(target, process, checkpoint=checkpoint, **(small(50) | change))
    data = checkpoint.read_bytes()
    for damaged in (data[:-10], data[:100], b"", b"not a checkpoint at all"):
        checkpoint.write_bytes(damaged)
        with pytest.raises(InputError, match="checkpoint"):
            fit_score(grey(), PROCESS, checkpoint=checkpoint, **small(50))
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="cannot write"):
        fit_score(grey(), PROCESS, checkpoint=file / "c", **small(50))


def test_options_are_checked():
    wrong = [
        {"steps": 0},
        {"seed": -1},
        {"seed": 1.5},
        {"states": True},
        {"learning_rate": float("nan")},
        {"weight_decay": -0.1},
        {"momentum": 0.9},
    ]
    for options in wrong:
        with pytest.raises(InputError, match=f"score.{next(iter(options))}"):
            fit_score(LINE, PROCESS, progress=False, **options)
