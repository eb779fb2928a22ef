"""One node through one tick with its accounts: move, book, expect, and sums over paths.

A short tick's loss is far below the rounding of the state it is taken from: it is added to the
noise first, so that what rounding leaves averages out in place of being the same in every tick.

A path's own numbers come from `_one` and `_one_current`, whose operations keep their order; what is
summed over paths around them may be reordered and contracted.
"""

from __future__ import annotations

from thermohw.integrate.fused.kernel_math import magnitude, unsigned
from thermohw.noise.jit import inlined, stage, summing

__all__ = ["residual", "step", "step_current"]


@inlined
def _one(x, e, xi, loss, gain, spread, half, stiffness, lost, push, share):
    """A path of an emf run, or at rest: charge at the end, voltages at both ends, force, heat,
    work, what heat is expected but for a constant, residual r = v' - v + lost v - push e.
    """
    y = x + ((e * gain - x * loss) + xi * spread)
    v, w = x * stiffness, y * stiffness
    force, charge, off = (x + y) * half - e, x - y, v - e
    return y, v, w, force, force * charge, -(e * charge), off * off * share, (
        ((w - v) + v * lost) - e * push
    )  # fmt: skip


@inlined
def _one_current(
    x, e, xi, eta, loss, gain, spread, one, two, follow, rest, half, stiffness, lost, push, length,
    share, cross, own,
):  # fmt: skip
    """The same of a current run, whose work is on the flux int v dt."""
    y = x + ((e * gain - x * loss) + xi * spread)
    flux = x * one + e * two + xi * follow + eta * rest
    v, w = x * stiffness, y * stiffness
    force = (x + y) * half
    heat = force * (x - y + e * length) + (flux - force * length) * e
    expected = v * v * share + v * e * cross + e * e * own
    return y, v, w, force, heat, e * flux, expected, ((w - v) + v * lost) - e * push


@inlined
def _away(force, source, conductance):
    """i - gamma v."""
    return source - force * conductance


@summing
def step(
    start, source, normal, end, heat, work, expected, loss, gain, spread, half, stiffness, lost,
    push, share, count, out,
):  # fmt: skip
    """A tick of an emf run, or at rest, with its accounts.

    Args:
        out: sums over paths r r, r e, e e, r v, v v, r, of heat and of work; largest |v'|,
            |source|, |force|.
    """
    rr = start[0] - start[0]
    re, ee, rv, vv, r1, hot, done = rr, rr, rr, rr, rr, rr, rr
    volt = magnitude(rr)
    most, pull = volt, volt
    for i in range(count):
        e = source[i]
        y, v, w, force, q, a, hoped, r = _one(
            start[i], e, normal[i], loss, gain, spread, half, stiffness, lost, push, share
        )
        end[i] = y
        heat[i] += q
        work[i] += a
        expected[i] += hoped
        rr += r * r
        re += r * e
        ee += e * e
        rv += r * v
        vv += v * v
        r1 += r
        hot += q
        done += a
        volt = max(volt, magnitude(w))
        most = max(most, magnitude(e))
        pull = max(pull, magnitude(force))
    out[0], out[1], out[2], out[3], out[4], out[5] = rr, re, ee, rv, vv, r1
    out[6], out[7] = hot, done
    out[8], out[9], out[10] = unsigned(volt), unsigned(most), unsigned(pull)


@summing
def step_current(
    start, source, normal, other, end, heat, work, expected, loss, gain, spread, one, two, follow,
    rest, half, stiffness, lost, push, length, conductance, share, cross, own, count, out,
):  # fmt: skip
    """The same of a current run; `out` has the largest |i - gamma v| behind."""
    rr = start[0] - start[0]
    re, ee, rv, vv, r1, hot, done = rr, rr, rr, rr, rr, rr, rr
    volt = magnitude(rr)
    most, pull, rate = volt, volt, volt
    for i in range(count):
        e = source[i]
        y, v, w, force, q, a, hoped, r = _one_current(
            start[i], e, normal[i], other[i], loss, gain, spread, one, two, follow, rest, half,
            stiffness, lost, push, length, share, cross, own,
        )  # fmt: skip
        end[i] = y
        heat[i] += q
        work[i] += a
        expected[i] += hoped
        rr += r * r
        re += r * e
        ee += e * e
        rv += r * v
        vv += v * v
        r1 += r
        hot += q
        done += a
        volt = max(volt, magnitude(w))
        most = max(most, magnitude(e))
        pull = max(pull, magnitude(force))
        rate = max(rate, magnitude(_away(force, e, conductance)))
    out[0], out[1], out[2], out[3], out[4], out[5] = rr, re, ee, rv, vv, r1
    out[6], out[7] = hot, done
    out[8], out[9], out[10], out[11] = (
        unsigned(volt), unsigned(most), unsigned(pull), unsigned(rate)
    )  # fmt: skip


@stage
def residual(start, end, source, lost, push, stiffness, out, count):
    """Residuals of a watched tick, added to those of their group."""
    for i in range(count):
        v = start[i] * stiffness
        out[i] += ((end[i] * stiffness - v) + v * lost) - source[i] * push
