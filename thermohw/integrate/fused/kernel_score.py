"""Exact scores of mixtures on a strip of paths (`thermohw.score.mixture_fields`), with the trace
that pumping asks for; laws are rows of `thermohw.score.mixture_tables`.
"""

from __future__ import annotations

from thermohw.integrate.fused.kernel_math import exponential
from thermohw.integrate.fused.kernel_rows import add, add_product, add_rows
from thermohw.noise.jit import inlined, stage, summing

__all__ = ["again", "general", "pair", "pair_slope", "pump", "shared"]


@stage
def again(start, stiffness, state, score, weight, own, count):
    """The source of a score that was scaled, or has noise."""
    for i in range(count):
        own[i] = start[i] * stiffness * state + score[i] * weight


@stage
def pair(start, stiffness, root, law, state, weight, one, own, score, count):
    """Two modes on a line (`PairField`): the source, state v + weight s, and the score."""
    c, b, a, offset, rate, jump, gap = law[0], law[1], law[2], law[3], law[4], law[5], law[6]
    for i in range(count):
        v = start[i] * stiffness
        x = v * root
        r = one / (one + exponential(-(c + (b + a * x) * x)))
        s = offset + rate * x + r * (jump + gap * x)
        own[i] = v * state + s * weight
        score[i] = s


@inlined
def _pair_one(v, root, c, b, a, offset, rate, jump, gap, state, weight, scale, constant, one):
    """Source, score and div u of a path, scale ds/dx + constant."""
    x = v * root
    other = exponential(-(c + (b + a * x) * x))
    r = one / (one + other)
    difference = jump + gap * x
    s = offset + rate * x + r * difference
    # r (1 - r) without the difference, whose digits cancel where r is nearly 1
    change = rate + gap * r + r * (r * other) * (difference * difference)
    return v * state + s * weight, s, change * scale + constant


@inlined
def _product(x, y):
    return x * y


@summing
def pair_slope(
    start, stiffness, root, law, state, weight, scale, constant, one, own, score, factor, account,
    count,
):  # fmt: skip
    """The same, with factor div u to an account; the sum of div u over paths."""
    c, b, a, offset, rate, jump, gap = law[0], law[1], law[2], law[3], law[4], law[5], law[6]
    total = one - one
    for i in range(count):
        source, s, slope = _pair_one(
            _product(start[i], stiffness), root, c, b, a, offset, rate, jump, gap, state, weight,
            scale, constant, one,
        )  # fmt: skip
        own[i], score[i] = source, s
        account[i] += _product(slope, factor)
        total += slope
    return total


@inlined
def _slope(x, scale, constant):
    return x * scale + constant


@summing
def pump(slopes, scale, constant, factor, account, count):
    """factor div u to an account, div u = scale slope + constant; its sum over paths."""
    total = scale - scale
    for i in range(count):
        slope = _slope(slopes[i], scale, constant)
        account[i] += _product(slope, factor)
        total += slope
    return total


@stage
def _weights(levels, modes, top, total, one, count):
    """Levels (K, paths) to posterior weights, in place."""
    for i in range(count):
        top[i] = levels[0, i]
    k = 1
    while k + 4 <= modes:
        for i in range(count):
            low = max(levels[k, i], levels[k + 1, i])
            top[i] = max(top[i], max(low, max(levels[k + 2, i], levels[k + 3, i])))
        k += 4
    while k < modes:
        for i in range(count):
            top[i] = max(top[i], levels[k, i])
        k += 1
    for i in range(count):
        total[i] = top[i] - top[i]
    for k in range(modes):
        for i in range(count):
            share = exponential(levels[k, i] - top[i])
            levels[k, i] = share
            total[i] += share
    for i in range(count):
        total[i] = one / total[i]
    for k in range(modes):
        for i in range(count):
            levels[k, i] = levels[k, i] * total[i]


@stage
def shared(
    seen, root, law, modes, n, full, x, levels, score, slope, work, wanted, weight, one, count
):  # fmt: skip
    """Modes of one covariance (`SharedField`), at voltages `seen` (n, paths); score (n, paths), and
    the trace where it is wanted. x (n, paths), levels (K, paths) and work (2, paths) are room.
    """
    pull, matrix = 1 + n + modes, 1 + n + modes + modes * n
    squares = matrix + (n * n if full else n)
    for j in range(n):
        centre = law[1 + j]
        for i in range(count):
            x[j, i] = seen[j, i] * root - centre
    for k in range(modes):
        constant, first, row = law[1 + n + k], law[pull + k * n], levels[k]
        for i in range(count):
            row[i] = constant + x[0, i] * first
        add_rows(x[1:], n - 1, law, pull + k * n + 1, 1, row, count)
    _weights(levels, modes, work[0], work[1], one, count)
    if wanted:
        for i in range(count):
            slope[i] = law[0]
        add_rows(levels, modes, law, squares, 1, slope, count)
    for j in range(n):
        row, first = score[j], law[pull + j]
        for i in range(count):
            row[i] = levels[0, i] * first
        add_rows(levels[1:], modes - 1, law, pull + n + j, n, row, count)
        if wanted:
            add_product(row, row, -weight[j % weight.size], slope, count)
        if full:
            add_rows(x, n, law, matrix + j, n, row, count)
        else:
            add(x[j], law[matrix + j], row, count)


@stage
def general(
    seen, root, law, modes, n, full, levels, pulls, score, slope, work, wanted, weight, one, count
):  # fmt: skip
    """Any mixture (`GeneralField`), mode by mode; `pulls` (K n, paths) is room for y_k, and work
    (2 + n, paths).
    """
    size = n * n if full else n
    means, whiten = 2 * modes, 2 * modes + modes * n
    half = one / (one + one)
    for k in range(modes):
        level = levels[k]
        for i in range(count):
            level[i] = law[k]
        at, m = whiten + k * size, means + k * n
        if full:
            for j in range(n):
                row = work[2 + j]
                for i in range(count):
                    row[i] = seen[j, i] * root - law[m + j]
            for j in range(n):
                row = pulls[k * n + j]
                for i in range(count):
                    row[i] = row[i] - row[i]
            for a in range(n):
                white = work[0]
                for i in range(count):
                    white[i] = white[i] - white[i]
                for j in range(a + 1):  # the whitening of a Cholesky factor is lower triangular
                    add(work[2 + j], law[at + a * n + j], white, count)
                add_product(white, white, -half, level, count)
                for j in range(a + 1):
                    add(white, -law[at + a * n + j], pulls[k * n + j], count)
        else:
            for j in range(n):
                row, white, mean = pulls[k * n + j], law[at + j], law[m + j]
                for i in range(count):
                    away = (seen[j, i] * root - mean) * white
                    level[i] += away * away * -half
                    row[i] = -away * white
    _weights(levels, modes, work[0], work[1], one, count)
    if wanted:
        for i in range(count):
            slope[i] = slope[i] - slope[i]
    for j in range(n):
        row = score[j]
        for i in range(count):
            row[i] = row[i] - row[i]
        for k in range(modes):
            share, pull = levels[k], pulls[k * n + j]
            if wanted:
                w = weight[j % weight.size]
                for i in range(count):
                    row[i] += share[i] * pull[i]
                    slope[i] += share[i] * pull[i] * pull[i] * w
            else:
                for i in range(count):
                    row[i] += share[i] * pull[i]
        if wanted:
            add_product(row, row, -weight[j % weight.size], slope, count)
    if wanted:
        for k in range(modes):
            add(levels[k], -law[modes + k], slope, count)
