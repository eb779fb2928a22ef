"""The groups of the table, in its order: name -> module and function that gives its rows."""

from __future__ import annotations

import importlib

from benchmarks.clock import Row

__all__ = ["GROUPS", "measure"]

GROUPS = {
    "noise": "noise:against_normals",
    "cores": "cores:two_against_one",
    "torchsde": "solvers:against_torchsde",
    "diffrax": "solvers:against_diffrax",
    "sdeint": "solvers:against_sdeint",
    "network": "network:against_forward_passes",
    "likelihood": "likelihood:against_scipy",
    "thermox": "circuits:against_thermox",
    "tick": "circuits:against_bare_tick",
    "store": "storage:stored_against_unstored",
    "memory": "memory:usual",
    "large": "memory:largest",
    "startup": "startup:against_imports",
    "matrix": "matrix:every_feature",
    "curves": "curves:cost_curves",
    "words": "words:against_randomgen",
}


def measure(name: str) -> list[Row]:
    """The rows of a group."""
    import torch

    torch.set_num_threads(1)
    module, function = GROUPS[name].split(":")
    return getattr(importlib.import_module(f"benchmarks.{module}"), function)()
