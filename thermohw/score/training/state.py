r"""Where a training stands: a flat vector of weights, its moments, all that a resume needs.

AdamW on all weights at once, written out so that its state is three vectors in a file:

    m <- b_1 m + (1 - b_1) g,   v <- b_2 v + (1 - b_2) g^2
    w <- w - rate [ (m/(1 - b_1^n)) / (sqrt(v/(1 - b_2^n)) + 1e-8) + decay w ]

with b = 0.9, 0.99, decay on the matrices W only, and the gradient g scaled to norm <= 1 beforehand.
What is evaluated and kept is an exponential average of w.

A checkpoint is a safetensors file: no code in it, checked lengths. It is written under another name
and renamed, so that there is a whole one at every moment, and it says which training it belongs to.

Reference: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from thermohw.errors import InputError

__all__ = ["TrainingState"]

_FORMAT = "thermohw-training/1"
_B1, _B2 = 0.9, 0.99
_VECTORS = ("weights", "average", "first", "second", "best")


@dataclass
class TrainingState:
    """Everything a training is after so many steps.

    Attributes:
        weights: all parameters end to end, float32.
        average: their exponential average.
        first: running mean of the gradient.
        second: running mean of its square.
        best: the average that validated best so far.
        generator: where data, noise, times and silenced units are drawn from.
        step: steps taken.
        best_step: when `best` was.
        best_bound: its validation bound, nats, model units.
        loss: running mean of the training loss.
        history: [step, training loss, validation bound], nats, model units.
        seconds: what the training took so far, all sessions.
        cpu_seconds: and on the processor.
    """

    weights: Tensor
    average: Tensor
    first: Tensor
    second: Tensor
    best: Tensor
    generator: torch.Generator
    step: int = 0
    best_step: int = 0
    best_bound: float = float("inf")
    loss: float = 0.0
    history: list[list[float]] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @classmethod
    def start(cls, weights: Tensor, generator: torch.Generator) -> TrainingState:
        """The state before the first step."""
        zeros = torch.zeros_like(weights)
        copies = (weights.clone() for _ in range(2))
        return cls(weights.clone(), next(copies), zeros, zeros.clone(), next(copies), generator)

    def update(self, gradient: Tensor, *, rate: float, decay: Tensor, half_life: float) -> None:
        """One step of AdamW and of the average, in place.

        Args:
            gradient: of the loss, shape of weights.
            rate: learning rate.
            decay: weight decay of every weight.
            half_life: of the average, steps; shorter in the beginning.
        """
        self.step += 1
        gradient = gradient * (1.0 / max(1.0, float(gradient.norm())))
        self.first.lerp_(gradient, 1.0 - _B1)
        self.second.lerp_(gradient.square(), 1.0 - _B2)
        size = (self.second / (1.0 - _B2**self.step)).sqrt_().add_(1e-8)
        move = (self.first / (1.0 - _B1**self.step)).div_(size)
        self.weights.sub_(move.addcmul_(decay, self.weights), alpha=rate)
        memory = min(0.5 ** (1.0 / half_life), (1.0 + self.step) / (10.0 + self.step))
        self.average.lerp_(self.weights, 1.0 - memory)

    def judge(self, bound: float) -> None:
        """Note a validation bound of the average; keep it if it is the best so far."""
        self.history.append([self.step, self.loss, bound])
        if bound < self.best_bound:
            self.best_bound, self.best_step = bound, self.step
            self.best.copy_(self.average)

    def save(self, path: Path, plan: Mapping[str, Any]) -> None:
        """Write a checkpoint; there is a whole one under this name at every moment.

        Raises:
            InputError: the place cannot be written to.
        """
        facts = ("step", "best_step", "best_bound", "loss", "history", "seconds", "cpu_seconds")
        header = {
            "format": _FORMAT,
            "plan": json.dumps(plan, sort_keys=True),
            "facts": json.dumps({name: getattr(self, name) for name in facts}),
        }
        tensors = {name: getattr(self, name) for name in _VECTORS}
        tensors["generator"] = self.generator.get_state()
        try:
            spare = path.with_name(path.name + ".part")
            with open(spare, "wb") as file:
                file.write(safetensors.torch.save(tensors, header))
                file.flush()
                os.fsync(file.fileno())
            os.replace(spare, path)
        except OSError as error:
            problem = f"cannot write the training checkpoint: {error.strerror}"
            raise InputError(problem, where=str(path)) from None

    @classmethod
    def load(cls, path: Path, plan: Mapping[str, Any]) -> TrainingState:
        """Read a checkpoint back.

        Raises:
            InputError: not a checkpoint, damaged, or of a training with other settings.
        """
        where = str(path)
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("format") != _FORMAT:
                    raise InputError("not a training checkpoint of thermohw", where=where)
                tensors = {name: file.get_tensor(name) for name in (*_VECTORS, "generator")}
        except (SafetensorError, OSError) as error:
            problem = f"not a whole training checkpoint ({error}); delete it to start anew"
            raise InputError(problem, where=where) from None
        stored = json.loads(header["plan"])
        wanted = json.loads(json.dumps(plan))
        differ = sorted(k for k in {*stored, *wanted} if stored.get(k) != wanted.get(k))
        if differ:
            other = ", ".join(differ)
            problem = f"it belongs to a training with another {other}; delete it to start anew"
            raise InputError(problem, where=where)
        generator = torch.Generator()
        generator.set_state(tensors.pop("generator"))
        return cls(**tensors, generator=generator, **json.loads(header["facts"]))
