"""Exact held ticks of uncoupled nodes: the general moments, one scalar circuit at a time.

A node with one grounded resistor of its own is a circuit of one state variable. Its 2 x 2 law of
(charge, int v dt) is computed by the same routine as any network's, once for every distinct node,
and laid out as vectors over nodes; equal nodes give plain floats.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from thermohw.circuit.device import LinearDevice
from thermohw.circuit.tick import tick_moments

__all__ = ["NodeMoments", "node_moments"]


class NodeMoments(NamedTuple):
    """Moments of a held tick of n uncoupled nodes; every field is a float (equal nodes) or shape
    (n,).

    z' = decay z + from_source e + from_current i + spread xi,       y = z - z' + i h,
    int v dt = sum_state z + sum_source e + sum_current i + follow xi + rest eta,   xi, eta standard
    normal.
    """

    duration: float
    decay: Any
    from_source: Any
    from_current: Any
    spread: Any
    sum_state: Any
    sum_source: Any
    sum_current: Any
    follow: Any
    rest: Any

    def heated(self, factor: float) -> NodeMoments:
        """The same at `factor` times the temperature: noise grows by its root."""
        root = factor**0.5
        return self._replace(
            spread=self.spread * root, follow=self.follow * root, rest=self.rest * root
        )


@lru_cache(maxsize=8192)
def node_moments(device: LinearDevice, h: float) -> NodeMoments:
    """Moments of a held tick of duration h (R_ref C_ref) of an uncoupled device."""
    assert device.uncoupled
    kinds = np.stack([np.diag(device.hessian), device.coefficients, device.temperatures], axis=1)
    distinct, which = np.unique(kinds, axis=0, return_inverse=True)
    columns = []
    for stiffness, coefficient, temperature in distinct:
        m = tick_moments(_one_node(device, stiffness, coefficient, temperature), h)
        # xi drives the charge; -xi therefore drives z' = z - y + i h. Flip it so that spread is
        # positive.
        columns.append(
            (m.propagator[0, 0], m.input[0, 0], m.input[0, 1], m.factor[0, 0],
             m.flow_state[1, 0], m.flow_input[1, 0], m.flow_input[1, 1],
             -m.factor[1, 0], m.factor[1, 1])
        )  # fmt: skip
    table = np.array(columns)[which.reshape(-1)]
    if len(distinct) == 1:
        return NodeMoments(h, *(float(value) for value in table[0]))
    return NodeMoments(h, *(np.ascontiguousarray(column) for column in table.T))


def _one_node(
    device: LinearDevice, stiffness: float, coefficient: float, temperature: float
) -> LinearDevice:
    one = np.ones((1, 1))
    return LinearDevice(
        name=device.name,
        scale=device.scale,
        nodes=("node",),
        elements=("resistor",),
        hessian=stiffness * one,
        structure=0.0 * one,
        directions=one,
        coefficients=np.array([coefficient]),
        temperatures=np.array([temperature]),
        controlled=(0,),
    )
