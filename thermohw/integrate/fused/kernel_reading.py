"""What is read off a node, what a filter makes of it, and what its source makes of a decision
(`thermohw.control.controller`, `thermohw.control.chain`, `thermohw.books.information`).
"""

from __future__ import annotations

import numpy as np

from thermohw.integrate.fused.kernel_math import nearest
from thermohw.noise.jit import stage

__all__ = ["amplify", "convert", "learn", "look", "pull", "quantise", "tell", "undo"]


@stage
def look(state, stiffness, gain, offset, noise, spread, out, count):
    """What a sensor says of a node; gain 1, offset 0 and spread 0 where it says what is."""
    for i in range(count):
        out[i] = (state[i] * stiffness * gain + offset) + noise[i] * spread


@stage
def convert(x, middle, reach, step, one, codes, start, count):
    """Values of codes in place, and the codes."""
    for i in range(count):
        code = nearest((x[i] - middle) / step)
        code = min(max(code, -reach), reach - one)
        x[i] = code * step + middle
        codes[start + i] = np.int32(code)


@stage
def quantise(x, middle, reach, step, one, count):
    """Codes' values in place (`thermohw.control.converters`)."""
    for i in range(count):
        code = nearest((x[i] - middle) / step)
        x[i] = min(max(code, -reach), reach - one) * step + middle


@stage
def undo(reading, offset, gain, told, count):
    """What the reading says of the node."""
    for i in range(count):
        told[i] = (reading[i] - offset) / gain


@stage
def learn(told, weight, mean, account, share, out, count):
    """m+ = m- + K (r - m-), in place and in `out`; share (r - m-)^2 to an account, of what the
    reading says of the node.
    """
    for i in range(count):
        new = np.float64(told[i] - mean[i])
        account[i] += new * new * share
        mean[i] = mean[i] + weight * (told[i] - mean[i])
        out[i] = mean[i]


@stage
def tell(told, state, stiffness, mean, weight, inverse, pathwise, start, count):
    """What a reading tells pathwise, nats."""
    for i in range(count):
        off = np.float64(told[i] - state[i] * stiffness)
        new = np.float64(told[i] - mean[i])
        pathwise[start + i] += 0.5 * (new * new * inverse - off * off * weight)


@stage
def amplify(x, lift, follower, swing, count):
    """Settled output of a follower (`thermohw.control.chain.amplifier`), in place."""
    for i in range(count):
        x[i] = min(max((x[i] + lift) * follower, -swing), swing)


@stage
def pull(mean, source, weight, quadratic, start, count):
    """Heat that the mean of the estimate's law exchanges, in float64."""
    for i in range(count):
        off = np.float64(mean[i]) - np.float64(source[i])
        quadratic[start + i] += weight * off * off
