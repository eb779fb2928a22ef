r"""Training a network score by likelihood: reproducible, resumable, stopped by validation.

Every step draws fresh data (data sets: rows dequantised anew), fresh noise and stratified times
(`noising`), and takes one step of AdamW (`state`) at a rate that warms up over 50 steps and falls
along a cosine. The loss is the evidence bound plus, on request, `entropy_weight` times the
entropy-rate integral (1/2) int E[s . G s] dt, for a score that dissipates less: a weight lambda
moves the minimiser from s to s/(1 + lambda).

Every 50 steps the averaged weights are judged by the evidence bound on the validation points,
always the same ones. On a data set the best of them are what is returned; the test points are never
looked at. An analytic target (but a fitted mixture) never repeats a sample, so there is nothing to
stop for, and the last are returned. A seed fixes everything at a given number of torch threads,
interrupted or not.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thermohw.errors import InputError
from thermohw.process import Process
from thermohw.score.network import Head, NetworkScore
from thermohw.score.network.design import design, schedule
from thermohw.score.network.joint import JointHead
from thermohw.score.training.noising import NoiseLevels
from thermohw.score.training.state import TrainingState
from thermohw.target import Target, lift

__all__ = ["Training", "fit_score"]

_EVERY = 50  # steps between validations and checkpoints
_WARM_UP, _LAST_RATE = 50, 0.02
_VALIDATION_TIMES = 32
_VALIDATION_POINTS, _FEWER = 256, 64  # a U-Net takes as long for the few as for several steps


def fit_score(
    target: Target,
    process: Process,
    *,
    seed: int = 0,
    steps: int | None = None,
    architecture: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    precision: str = "float32",
    **options: float,
) -> NetworkScore:
    """Learn the score of a target under a process.

    Args:
        target: the data; training and validation points are drawn from it.
        process: the forward process. Under a Langevin process the network learns the data in the
            noise that the whole state leaves on them (`Observed`), and the score is the joint one.
        seed: of the first weights, the data order and the noise, >= 0.
        steps: training steps.
        architecture: head, trunk, width, depth, bumps, dropout instead of the defaults; see
            `design`.
        checkpoint: file that keeps the state of the training, every 50 steps; if it exists the
            training goes on from there, bit for bit as if it had never stopped.
        progress: show a bar on a terminal, from the third second on.
        precision: "bfloat16" computes the steps of a U-Net in it, the weights stay float32: on
            processors that have such instructions about 1.5 times as fast from 32 channels on, no
            gain below. Validation, and the score that is returned, are float32 all the same.
        **options: instead of the defaults of `schedule`: learning_rate (the highest),
            weight_decay (of the weight matrices), times (noise levels per step), states (noised
            samples per noise level), entropy_weight (lambda, of the entropy-rate integral).

    Returns:
        The score; its `record` holds the curves of training loss and validation bound, rows [step,
        loss in nats (running mean, up to a constant), bound in nats, data units]; its `effort` the
        seconds and CPU seconds that all sessions of the training took.

    Raises:
        InputError: settings that cannot be used, or a checkpoint of another training.
    """
    head = design(target, process, architecture)
    joint = lift(target, process) if isinstance(head, JointHead) else None
    target = getattr(target, "base", target) if joint else target
    settings = schedule(target, {"seed": seed, "steps": steps, "precision": precision, **options})
    training = Training(target, head.inner if isinstance(head, JointHead) else head, settings)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        size = len(training.state.weights)
        training.state = TrainingState.load(path, training.plan, size=size)
    state = training.state
    with tqdm(
        total=settings["steps"],
        initial=state.step,
        desc="training the score",
        delay=2.0,
        disable=None if progress else True,
        leave=False,
    ) as bar:
        clocks = time.perf_counter(), time.process_time()
        while state.step < settings["steps"]:
            training.step()
            bar.update()
            if state.step % _EVERY == 0 or state.step == settings["steps"]:
                state.judge(training.validate())
                now = time.perf_counter(), time.process_time()
                state.seconds += now[0] - clocks[0]
                state.cpu_seconds += now[1] - clocks[1]
                clocks = now
                if path is not None:
                    state.save(path, training.plan)
                bar.set_postfix(loss=f"{state.loss:.4g}", bound=f"{state.history[-1][2]:.4g}")
    score = training.result()
    if joint is None:
        return score
    assert isinstance(head, JointHead)
    record = score.record | {"target": joint.name, "shift": joint.shift.tolist()}
    return NetworkScore(head, score.parameters, record=record, target=joint, effort=score.effort)


class Training:
    """A training in progress.

    Args:
        target: the data.
        head: preconditioner and network shape, not a joint one.
        settings: seed, steps, times, states, learning_rate, weight_decay; entropy_weight and
            precision where they are not the default.

    Attributes:
        plan: what the training is, JSON-ready: a checkpoint fits only the same plan.
        state: where it stands.
    """

    def __init__(self, target: Target, head: Head, settings: Mapping[str, Any]) -> None:
        self.target, self.head, self.settings = target, head, dict(settings)
        self.table = NoiseLevels(head)
        self._half = self.settings.get("precision") == "bfloat16"
        if self._half and head.trunk.kind != "unet":
            problem = "bfloat16 is for the U-Net; leave the precision out"
            raise InputError(problem, where="score.precision")
        generator = _generator(self.settings["seed"], 0)
        initial = head.trunk.initial(generator)
        shapes = head.trunk.shapes
        self._sizes = [math.prod(shape) for shape in shapes.values()]
        decayed = [
            torch.full((n,), float(name.startswith("weight")))
            for name, n in zip(shapes, self._sizes, strict=True)
        ]
        self._decay = torch.cat(decayed) * self.settings["weight_decay"]
        self.state = TrainingState.start(
            torch.cat([v.flatten() for v in initial.values()]), generator
        )
        self.plan = self._plan()
        self._points = self._validation_points()

    def _plan(self) -> dict[str, Any]:
        arrays = {**self.target.arrays(), **self.head.arrays()}
        digest = hashlib.sha256()
        for name in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[name]).tobytes())
        return {
            "target": self.target.to_dict(),
            "data": digest.hexdigest(),
            "process": self.head.process.to_dict(),
            "architecture": {"head": self.head.kind} | self.head.trunk.to_dict(),
            **self.settings,
        }

    def parameters(self, flat: Tensor) -> dict[str, Tensor]:
        """Named views of a flat vector."""
        parts = flat.split(self._sizes)
        shapes = self.head.trunk.shapes.items()
        return {name: part.view(shape) for (name, shape), part in zip(shapes, parts, strict=True)}

    def step(self) -> None:
        """One training step."""
        state, settings, table = self.state, self.settings, self.table
        count, states = settings["times"], settings["states"]
        index, cells = table.draw(count, state.generator)
        x0 = self.target.training_draws(count * states, state.generator).float()
        z = torch.randn(count, states, self.target.dim, generator=state.generator)
        x, conditional = table.noised(x0.view(z.shape), z, index)
        flat = state.weights.detach().requires_grad_()
        score = self._score(flat, x, index, training=True)
        loss = table.loss(score, conditional, index, cells)
        if "entropy_weight" in settings:
            loss = loss + settings["entropy_weight"] * table.entropy(score, index, cells)
        # a loss of order one per unit of ln(noise) and coordinate, whatever the problem
        (gradient,) = torch.autograd.grad(loss / self._loss_unit, flat)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise FloatingPointError(f"the training loss is {value} at step {state.step}")
        share = max(0.01, 1.0 / (state.step + 1))
        state.loss += share * (value - state.loss)
        state.update(
            gradient, rate=self._rate(), decay=self._decay, half_life=settings["steps"] / 8.0
        )

    @property
    def _loss_unit(self) -> float:
        return 0.5 * self.table.span * self.target.dim

    def _rate(self) -> float:
        done = self.state.step / self.settings["steps"]
        fall = _LAST_RATE + (1.0 - _LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * done))
        return self.settings["learning_rate"] * fall * min(1.0, (self.state.step + 1) / _WARM_UP)

    def _score(self, flat: Tensor, x: Tensor, index: Tensor, *, training: bool = False) -> Tensor:
        parameters, head = self.parameters(flat), self.head
        modulation = head.trunk.modulate(parameters, self.table.features[index])
        if training and self._half:
            parameters = {name: value.bfloat16() for name, value in parameters.items()}
        return head.score(
            parameters,
            modulation,
            self.table.moments.take(index),
            x,
            dropout=self.state.generator if training else None,
        )

    def _validation_points(self) -> tuple[Tensor, Tensor, Tensor, Tensor, float]:
        """Noised validation points, the same at every validation, and the bound's constant.

        Every point gets a normal and its negative: most of what they add to the bound is odd.
        """
        generator = _generator(0, 1)
        target = self.target
        counts = getattr(target, "counts", {})
        n = _FEWER if self.head.trunk.kind == "unet" else _VALIDATION_POINTS
        n = min(n, counts.get("validation", n))
        index, cells = self.table.even(_VALIDATION_TIMES)
        drawn = [target.validation(n, generator) for _ in range(_VALIDATION_TIMES)]
        x0 = torch.stack(drawn)
        z = torch.randn(x0.shape, generator=generator)
        pair = torch.cat([x0, x0], 1).float()
        x, conditional = self.table.noised(pair, torch.cat([z, -z], 1), index)
        return x, conditional, index, cells, self.table.ends(x0.flatten(0, 1))

    @torch.no_grad()
    def validate(self) -> float:
        """Evidence bound of the averaged weights on the validation points, nats, model units."""
        x, conditional, index, cells, constant = self._points
        total = constant
        for part in torch.arange(len(index)).split(8):
            score = self._score(self.state.average, x[part], index[part])
            total += float(self.table.bound(score, conditional[part], index[part], cells[part]))
        return total

    def result(self) -> NetworkScore:
        """The score with the best weights so far."""
        target, state = self.target, self.state
        volume = target.log_volume
        record = {
            "target": target.name,
            "shift": np.asarray(target.shift, dtype=np.float64).tolist(),
            "scale": float(target.scale),
            "training": {**self.settings, "best_step": state.best_step},
            "validation": [[int(n), loss, bound + volume] for n, loss, bound in state.history],
        }
        kept = state.best if target.repeats else state.average
        weights = self.parameters(kept)
        weights = {name: value.clone() for name, value in weights.items()}
        return NetworkScore(
            self.head,
            weights,
            record=json.loads(json.dumps(record)),
            target=target,
            effort={"seconds": state.seconds, "cpu_seconds": state.cpu_seconds},
        )


def _generator(seed: int, stream: int) -> torch.Generator:
    """Independent streams of one seed; torch alone would keep the seed's last 32 bits."""
    word = np.random.SeedSequence((seed, stream)).generate_state(1, np.uint32)[0]
    return torch.Generator().manual_seed(int(word))
