r"""Where a training stands: a flat vector of weights, its moments, all that a resume needs.

AdamW on all weights at once, written out so that its state is three vectors in a file:

    m <- b_1 m + (1 - b_1) g,   v <- b_2 v + (1 - b_2) g^2
    w <- w - rate [ (m/(1 - b_1^n)) / (sqrt(v/(1 - b_2^n)) + 1e-8) + decay w ]

with b = 0.9, 0.99, decay on the matrices W only, and the gradient g scaled to norm <= 1 beforehand.
What is evaluated and kept is an exponential average of w.

A checkpoint is a safetensors file: no code in it, checked lengths. There is a whole one at every
moment. It is believed only as far as it can be checked: it says which training it belongs to, a
sha256 covers all of it, and every vector must have the shape of that training's and be finite.

Reference: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019,
https://arxiv.org/abs/1711.05101
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from thermohw import outputs
from thermohw.errors import InputError
from thermohw.intake import MOST_WEIGHTS, parse_json, require_file, require_room

__all__ = ["TrainingState"]

_FORMAT = "thermohw-training/2"
_B1, _B2 = 0.9, 0.99
_VECTORS = ("weights", "average", "first", "second", "best")
_FACTS = ("step", "best_step", "best_bound", "loss", "history", "seconds", "cpu_seconds")
_REMEDY = "delete it to start anew"


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
        header = {
            "format": _FORMAT,
            "plan": json.dumps(plan, sort_keys=True),
            "facts": json.dumps({name: getattr(self, name) for name in _FACTS}),
        }
        tensors = {name: getattr(self, name) for name in _VECTORS}
        tensors["generator"] = self.generator.get_state()
        header["sha256"] = _digest(header, tensors)
        content = safetensors.torch.save(tensors, header)
        outputs.write(path, content, what="the training checkpoint")

    @classmethod
    def load(cls, path: Path, plan: Mapping[str, Any], *, size: int | None = None) -> TrainingState:
        """Read a checkpoint back.

        Args:
            path: the file.
            plan: what the training is that goes on.
            size: how many weights it has; None takes what is there.

        Raises:
            InputError: not a checkpoint, damaged, or of a training with other settings.
        """
        try:
            require_room(require_file(path).st_size, "the checkpoint", str(path), most=MOST_WEIGHTS)
            header, tensors = _read(path, plan, size)
            facts = _facts(parse_json(header["facts"]))
            generator = torch.Generator()
            generator.set_state(tensors.pop("generator"))
            return cls(**tensors, generator=generator, **facts)
        except InputError:
            raise
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            problem = f"not a whole training checkpoint ({error}); {_REMEDY}"
            raise InputError(" ".join(problem.split()), where=str(path)) from None


def _read(
    path: Path, plan: Mapping[str, Any], size: int | None
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors whose shapes and digest are right; shapes before anything is loaded."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        if header.get("format") != _FORMAT:
            problem = f"not a training checkpoint of this thermohw ({_FORMAT}); {_REMEDY}"
            raise InputError(problem, where=str(path))
        _require_plan(parse_json(header["plan"]), plan, path)
        names = {*_VECTORS, "generator"}
        if set(file.keys()) != names:
            raise ValueError(f"its arrays are not {', '.join(sorted(names))}")
        slices = {name: file.get_slice(name) for name in names}
        shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
        wanted = (shapes["weights"][0] if size is None else size,)
        for name in _VECTORS:
            if shapes[name] != wanted or slices[name].get_dtype() != "F32":
                raise ValueError(f"{name} has shape {shapes[name]}, expected {wanted} of float32")
        ours = torch.Generator().get_state()
        if shapes["generator"] != tuple(ours.shape) or slices["generator"].get_dtype() != "U8":
            raise ValueError("its generator has another shape")
        tensors = {name: file.get_tensor(name) for name in names}
    if header.get("sha256") != _digest(header, tensors):
        raise ValueError("its sha256 does not fit its content")
    for name in _VECTORS:
        if not bool(torch.isfinite(tensors[name]).all()):
            raise ValueError(f"{name} is not finite")
    return header, tensors


def _digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    """sha256 of all that a checkpoint says."""
    digest = hashlib.sha256()
    for key in ("format", "plan", "facts"):
        digest.update(f"{key} {len(header[key])}\0{header[key]}".encode())
    for name in sorted(tensors):
        value = tensors[name].detach().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\0".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _require_plan(stored: Any, plan: Mapping[str, Any], path: Path) -> None:
    if not isinstance(stored, dict):
        raise ValueError("its plan is no table")
    wanted = json.loads(json.dumps(plan))
    differ = sorted(k for k in {*stored, *wanted} if stored.get(k) != wanted.get(k))
    if differ:
        other = ", ".join(differ)
        problem = f"it belongs to a training with another {other}; {_REMEDY}"
        raise InputError(problem, where=str(path))


def _facts(stored: Any) -> dict[str, Any]:
    """The numbers beside the vectors, each of its kind."""
    facts = {name: stored[name] for name in _FACTS}
    counts = [facts["step"], facts["best_step"]]
    if not all(type(n) is int and n >= 0 for n in counts) or counts[1] > counts[0]:
        raise ValueError("its step counts are not such")
    numbers = [facts[name] for name in ("loss", "seconds", "cpu_seconds")]
    numbers += [value for row in facts["history"] for value in row]
    if not all(type(x) in (int, float) and math.isfinite(x) for x in numbers):
        raise ValueError("its numbers are not finite")
    if type(facts["best_bound"]) is not float or math.isnan(facts["best_bound"]):
        raise ValueError("its best bound is no number")
    if any(len(row) != 3 for row in facts["history"]):
        raise ValueError("its history has rows of another length")
    return facts
