"""The tick of uncoupled nodes with all its accounts, compiled: one pass over every path.

A strip of neighbouring paths goes through all ticks of a call before the next one starts: its
states, noise and partial accounts stay in the first cache. Every stage is a loop over the paths of
the strip, short enough for a compiler to vectorise, and every path's own numbers come from plain
operations in a fixed order: they do not depend on the strip, its length or what runs beside it.
Only sums over paths may be reordered (`_sums`), by the same code for strips of the same length.

The formulas are those of `thermohw.integrate.held_nodes`, `thermohw.control.controller`,
`thermohw.score.mixture_fields` and the observers in `thermohw.books`, which are the readable
reference; tables come from `thermohw.integrate.fused.tables`.
"""

from __future__ import annotations

import numpy as np
from numba import types, uint32
from numba.extending import overload

from thermohw.integrate.fused.columns import (
    AFFINE,
    GENERAL,
    PAIR,
    SHARED,
    Coefficient,
    NodeEntry,
    PieceEntry,
    Scalar,
    Switch,
    Tick,
    TraceEntry,
)
from thermohw.integrate.fused.kernel_math import exponential, magnitude, nearest, unsigned
from thermohw.noise.compiled import double_normals, single_normals
from thermohw.noise.jit import kernel, stage, summing

__all__ = ["play", "tally"]

# Kernels know plain whole numbers only.
AFFINE, PAIR, SHARED, GENERAL = AFFINE, PAIR, SHARED, GENERAL
(KIND, MODES, FULL, CURRENT, IDEAL, WANTED, NOISY, SHAKY, SENSES, CONVERTS, DRIVES, SWINGS, KNOWS,
 FILTERS, TELLS, FOLLOWS, CLOSING, KEEPS, BALANCES, PATHS) = (int(c) for c in Switch)  # fmt: skip
_, ROOT, NOISE, SHAKE, ADC, DAC, FOLLOWER, SWING, FACTOR = (int(c) for c in Scalar)
STIFFNESS, SENSE, OFFSET, TUNE, LIFT = (int(c) for c in NodeEntry)
TICK, READS, APPLIES, CHANNEL, WATCHED, FRAME, FLUSH = (int(c) for c in PieceEntry)
(DECAY, INPUT, SPREAD, SUM_STATE, SUM_INPUT, FOLLOW, REST, LENGTH, KEEP, PUSH, ONE, TWO, THREE,
 CONDUCTANCE, PREDICT, RESPOND, PACE) = (int(c) for c in Coefficient)  # fmt: skip
STATE, SCORE, WEIGHT, GAIN, CONSTANT = (int(c) for c in Tick)
VOLTAGE, READING, PREDICTED, ESTIMATE = (int(c) for c in TraceEntry)


def draw(group, channel, first, count, k0, k1, bits, out):
    """Normals of a group of ticks, in the precision of out."""
    raise NotImplementedError


@overload(draw, inline="never")
def _draw(group, channel, first, count, k0, k1, bits, out):
    if out.dtype == types.float32:
        return lambda group, channel, first, count, k0, k1, bits, out: single_normals(
            group, channel, first, count, k0, k1, bits, out
        )
    return lambda group, channel, first, count, k0, k1, bits, out: double_normals(
        group, channel, first, count, k0, k1, bits, out
    )


_APART = 48  # numbers between rows of a strip


@stage
def _scale(x, factor, out, count):
    for i in range(count):
        out[i] = x[i] * factor


@stage
def _affine(x, gain, bias, out, count):
    for i in range(count):
        out[i] = x[i] * gain + bias


@stage
def _combine(x, a, y, b, out, count):
    for i in range(count):
        out[i] = x[i] * a + y[i] * b


@stage
def _add(x, factor, out, count):
    for i in range(count):
        out[i] += x[i] * factor


@stage
def _add_product(x, y, factor, out, count):
    for i in range(count):
        out[i] += x[i] * y[i] * factor


@stage
def _flush(part, account, start, column, count):
    """Partial sums of a node into its float64 account."""
    for i in range(count):
        account[start + i, column] += part[i]
    for i in range(count):
        part[i] = part[i] - part[i]


@stage
def _quantise(x, middle, reach, step, one, count):
    """Codes' values in place (`thermohw.control.converters`)."""
    for i in range(count):
        code = nearest((x[i] - middle) / step)
        x[i] = min(max(code, -reach), reach - one) * step + middle


@stage
def _encode(x, middle, step, codes, start, count):
    """Codes of values that a converter gave."""
    for i in range(count):
        codes[start + i] = np.int32(nearest((x[i] - middle) / step))


@stage
def _amplify(x, lift, follower, swing, count):
    """Settled output of a follower (`thermohw.control.chain.amplifier`), in place."""
    for i in range(count):
        x[i] = min(max((x[i] + lift) * follower, -swing), swing)


@stage
def _flush_one(part, account, start, count):
    for i in range(count):
        account[start + i] += part[i]
    for i in range(count):
        part[i] = part[i] - part[i]


@stage
def _flux(start, one, source, two, normal, follow, other, rest, flux, count):
    """int v dt of the node."""
    for i in range(count):
        flux[i] = start[i] * one + source[i] * two + normal[i] * follow + other[i] * rest


@stage
def _residual(start, end, source, keep, push, stiffness, out, count):
    for i in range(count):
        out[i] += (end[i] * stiffness - start[i] * stiffness * keep) - source[i] * push


@stage
def _pull(mean, source, weight, quadratic, start, count):
    for i in range(count):
        off = np.float64(mean[i]) - np.float64(source[i])
        quadratic[start + i] += weight * off * off


@summing
def _total(x, count):
    total = x[0] - x[0]
    for i in range(count):
        total += x[i]
    return total


@stage
def _multiply(rows, weight, products):
    """products += weight rows rows^T."""
    product = np.dot(rows, rows.T)
    for g in range(product.shape[0]):
        for h in range(product.shape[1]):
            products[g, h] += weight * np.float64(product[g, h])


@stage
def _again(start, stiffness, state, score, weight, own, count):
    """The source of a score that was scaled, or has noise."""
    for i in range(count):
        own[i] = start[i] * stiffness * state + score[i] * weight


@stage
def _pair(start, stiffness, root, law, state, weight, one, own, score, count):
    """Two modes on a line (`PairField`): the source, state v + weight s, and the score."""
    c, b, a, offset, rate, jump, gap = law[0], law[1], law[2], law[3], law[4], law[5], law[6]
    for i in range(count):
        v = start[i] * stiffness
        x = v * root
        r = one / (one + exponential(-(c + (b + a * x) * x)))
        s = offset + rate * x + r * (jump + gap * x)
        own[i] = v * state + s * weight
        score[i] = s


@stage
def _pair_slope(
    start, stiffness, root, law, state, weight, scale, constant, one, own, score, slope, count
):  # fmt: skip
    """The same with div u, scale ds/dx + constant."""
    c, b, a, offset, rate, jump, gap = law[0], law[1], law[2], law[3], law[4], law[5], law[6]
    for i in range(count):
        v = start[i] * stiffness
        x = v * root
        other = exponential(-(c + (b + a * x) * x))
        r = one / (one + other)
        difference = jump + gap * x
        s = offset + rate * x + r * difference
        own[i] = v * state + s * weight
        score[i] = s
        # r (1 - r) without the difference, whose digits cancel where r is nearly 1
        change = rate + gap * r + r * (r * other) * (difference * difference)
        slope[i] = change * scale + constant


@stage
def _weights(levels, modes, top, total, one, count):
    """Levels (K, paths) to posterior weights, in place."""
    for i in range(count):
        top[i] = levels[0, i]
    for k in range(1, modes):
        row = levels[k]
        for i in range(count):
            top[i] = max(top[i], row[i])
    for i in range(count):
        total[i] = top[i] - top[i]
    for k in range(modes):
        row = levels[k]
        for i in range(count):
            row[i] = exponential(row[i] - top[i])
        for i in range(count):
            total[i] += row[i]
    for i in range(count):
        total[i] = one / total[i]
    for k in range(modes):
        row = levels[k]
        for i in range(count):
            row[i] = row[i] * total[i]


@stage
def _shared(x, law, modes, n, full, levels, score, slope, work, wanted, weight, one, count):
    """Modes of one covariance (`SharedField`); x is centred in place."""
    pull, matrix = 1 + n + modes, 1 + n + modes + modes * n
    squares = matrix + (n * n if full else n)
    for j in range(n):
        row = x[j]
        for i in range(count):
            row[i] = row[i] - law[1 + j]
    for k in range(modes):
        row = levels[k]
        for i in range(count):
            row[i] = law[1 + n + k]
        for j in range(n):
            _add(x[j], law[pull + k * n + j], row, count)
    _weights(levels, modes, work[0], work[1], one, count)
    if wanted:
        for i in range(count):
            slope[i] = law[0]
        for k in range(modes):
            _add(levels[k], law[squares + k], slope, count)
    for j in range(n):
        row = score[j]
        for i in range(count):
            row[i] = row[i] - row[i]
        for k in range(modes):
            _add(levels[k], law[pull + k * n + j], row, count)
        if wanted:
            _add_product(row, row, -weight[j % weight.size], slope, count)
        if full:
            for m in range(n):
                _add(x[m], law[matrix + m * n + j], row, count)
        else:
            _add(x[j], law[matrix + j], row, count)


@stage
def _general(x, law, modes, n, full, levels, pulls, score, slope, work, wanted, weight, one, count):
    """Any mixture (`GeneralField`), mode by mode; `pulls` holds y_k, (K n, paths)."""
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
                    row[i] = x[j, i] - law[m + j]
            for j in range(n):
                row = pulls[k * n + j]
                for i in range(count):
                    row[i] = row[i] - row[i]
            for a in range(n):
                white = work[0]
                for i in range(count):
                    white[i] = white[i] - white[i]
                for j in range(a + 1):  # the whitening of a Cholesky factor is lower triangular
                    _add(work[2 + j], law[at + a * n + j], white, count)
                _add_product(white, white, -half, level, count)
                for j in range(a + 1):
                    _add(white, -law[at + a * n + j], pulls[k * n + j], count)
        else:
            for j in range(n):
                row, white = pulls[k * n + j], law[at + j]
                for i in range(count):
                    row[i] = (x[j, i] - law[m + j]) * white
                _add_product(row, row, -half, level, count)
                for i in range(count):
                    row[i] = -row[i] * white
    _weights(levels, modes, work[0], work[1], one, count)
    if wanted:
        for i in range(count):
            slope[i] = slope[i] - slope[i]
    for j in range(n):
        row = score[j]
        for i in range(count):
            row[i] = row[i] - row[i]
        for k in range(modes):
            pull = pulls[k * n + j]
            for i in range(count):
                row[i] += levels[k, i] * pull[i]
            if wanted:
                w = weight[j % weight.size]
                for i in range(count):
                    slope[i] += levels[k, i] * pull[i] * pull[i] * w
        if wanted:
            _add_product(row, row, -weight[j % weight.size], slope, count)
    if wanted:
        for k in range(modes):
            _add(levels[k], -law[modes + k], slope, count)


@summing
def _sums(start, end, source, keep, push, stiffness, count, out):
    """Sums over paths of emf runs and resting ones: r r, r e, e e, r v, v v, r; heat and work, with
    r = v' - keep v - push e.
    """
    rr = start[0] - start[0]
    re, ee, rv, vv, r1, heat, work = rr, rr, rr, rr, rr, rr, rr
    half = stiffness / (stiffness + stiffness)
    for i in range(count):
        v, w, e = start[i] * stiffness, end[i] * stiffness, source[i]
        r = (w - v * keep) - e * push
        y = start[i] - end[i]
        rr += r * r
        re += r * e
        ee += e * e
        rv += r * v
        vv += v * v
        r1 += r
        heat += ((v + w) * half - e) * y
        work -= e * y
    out[0], out[1], out[2], out[3], out[4], out[5] = rr, re, ee, rv, vv, r1
    out[6], out[7] = heat, work


@summing
def _sums_current(start, end, source, flux, keep, push, stiffness, length, count, out):
    """The same of current runs."""
    rr = start[0] - start[0]
    re, ee, rv, vv, r1, heat, work = rr, rr, rr, rr, rr, rr, rr
    half = stiffness / (stiffness + stiffness)
    for i in range(count):
        v, w, e = start[i] * stiffness, end[i] * stiffness, source[i]
        r = (w - v * keep) - e * push
        f = (v + w) * half
        rr += r * r
        re += r * e
        ee += e * e
        rv += r * v
        vv += v * v
        r1 += r
        heat += f * (start[i] - end[i] + e * length) + (flux[i] - f * length) * e
        work += e * flux[i]
    out[0], out[1], out[2], out[3], out[4], out[5] = rr, re, ee, rv, vv, r1
    out[6], out[7] = heat, work


@stage
def _extremes(start, end, source, stiffness, half, conductance, current, count, out):
    """Largest |v'|, |source|, |force|, and |i - gamma v| of current runs."""
    volt = magnitude(half - half)
    most, force, rate = volt, volt, volt
    for i in range(count):
        volt = max(volt, magnitude(end[i] * stiffness))
        most = max(most, magnitude(source[i]))
    if current:
        for i in range(count):
            f = (start[i] + end[i]) * half
            force = max(force, magnitude(f))
            rate = max(rate, magnitude(source[i] - f * conductance))
    else:
        for i in range(count):
            force = max(force, magnitude((start[i] + end[i]) * half - source[i]))
    out[8], out[9], out[10], out[11] = (
        unsigned(volt), unsigned(most), unsigned(force), unsigned(rate)
    )  # fmt: skip


@stage
def _move(start, decay, source, gain, normal, spread, end, count):
    for i in range(count):
        end[i] = start[i] * decay + source[i] * gain + normal[i] * spread


@stage
def _book(start, end, source, half, heat, work, count):
    """Heat and work of an emf; `half` is half the stiffness."""
    for i in range(count):
        y = start[i] - end[i]
        heat[i] += ((start[i] + end[i]) * half - source[i]) * y
        work[i] -= source[i] * y


@stage
def _book_current(start, end, source, flux, half, length, heat, work, count):
    for i in range(count):
        force = (start[i] + end[i]) * half
        y = start[i] - end[i] + source[i] * length
        heat[i] += force * y + (flux[i] - force * length) * source[i]
        work[i] += source[i] * flux[i]


@stage
def _expect(start, source, stiffness, share, expected, count):
    for i in range(count):
        force = start[i] * stiffness - source[i]
        expected[i] += force * force * share


@stage
def _expect_current(start, source, stiffness, one, two, three, expected, count):
    for i in range(count):
        v = start[i] * stiffness
        expected[i] += v * v * one + v * source[i] * two + source[i] * source[i] * three


@stage
def _reread(reading, voltage, predicted, weight, inverse, pathwise, start, count):
    """What a reading tells pathwise (`thermohw.books.information`), nats."""
    for i in range(count):
        off, new = np.float64(reading[i] - voltage[i]), np.float64(reading[i] - predicted[i])
        pathwise[start + i] += 0.5 * (new * new * inverse - off * off * weight)


@stage
def _undo(reading, offset, gain, told, count):
    """What the reading says of the node."""
    for i in range(count):
        told[i] = (reading[i] - offset) / gain


@stage
def _surprise(told, predicted, account, count):
    """(r - m-)^2 of what the reading says of the node."""
    for i in range(count):
        new = np.float64(told[i] - predicted[i])
        account[i] += new * new


@stage
def _update(told, weight, mean, count):
    """m+ = m- + K (r - m-)."""
    for i in range(count):
        mean[i] = mean[i] + weight * (told[i] - mean[i])


@kernel
def tally(codes, low, counts):
    """How often every node had every code: (n, paths) less (n,), added to (n, codes)."""
    for j in range(codes.shape[0]):
        row, own, least = codes[j], counts[j], low[j]
        for i in range(row.size):
            own[row[i] - least] += 1


@kernel
def play(
    setting, scalars, pieces, coefficients, ticks, laws, pumped, nodes, informed, relative, keys,
    first, width, state, ring, scores, predicted, parts, heat, work, expected, pumping, pathwise,
    quadratic, surprise, sums, products, groups, weights, profile, peaks, frames, codes, trace,
    applied,
):  # fmt: skip
    """Take a tile through some pieces.

    Args:
        setting: whole numbers, see `thermohw.integrate.fused.columns.Switch`.
        scalars: state's precision, see `Scalar`.
        pieces: (pieces, columns) of `PieceEntry`.
        coefficients: (pieces, columns, 1 or n) of `Coefficient`.
        ticks: (ticks, columns, 1 or n) of `Tick`, from the tick of pieces[0] on.
        laws: (ticks, numbers) of the law's kind.
        pumped: (ticks, 2): weight of div u in a path's account, and in the profile.
        nodes: (columns, 1 or n) of `NodeEntry`.
        informed: (ticks, n, 3) float64: inverse variance of reading less prediction; weight of
            (estimate - source)^2 in the heat; inverse variance of a reading.
        relative: (1 or n,) weights of derivatives in div u, as multiples of the first.
        keys: (2, 2) of the noise of ticks and of readings.
        first: index of the first path.
        width: paths of a strip.
        state: (paths, n).
        ring, scores: (depth, n, paths) of decisions and their scores.
        predicted: (n, paths), of the filter.
        parts: (3 n + 1, paths), sums of heat, work, expected heat of every node and of div u that
            have not entered the accounts yet.
        heat, work, expected: (paths, n) float64.
        pumping, pathwise, quadratic: (paths,) float64.
        surprise: (paths, n) float64.
        sums: (pieces, n, 8) float64: r r, r e, e e, r v, v v, r, heat, work over paths.
        products: (groups, groups) float64 of residuals, with `groups`, (n,) of every node, and
            `weights`, (pieces,).
        profile: (ticks,) float64, sums of div u over paths.
        peaks: (4,) float64.
        frames: (frames, 3, paths, n): voltage, source, score.
        codes: (ticks, n, paths) int32.
        trace: (ticks, 4, rows, n) of `TraceEntry`; applied: (pieces, rows, n); of the first rows.
    """
    kind, modes, full, depth = setting[KIND], setting[MODES], setting[FULL] == 1, ring.shape[0]
    current, ideal, wanted = setting[CURRENT] == 1, setting[IDEAL] == 1, setting[WANTED] == 1
    noisy, shaky, senses = setting[NOISY] == 1, setting[SHAKY] == 1, setting[SENSES] == 1
    converts, drives, knows = setting[CONVERTS] == 1, setting[DRIVES] == 1, setting[KNOWS] == 1
    filters, closing, keeps = setting[FILTERS] == 1, setting[CLOSING] == 1, setting[KEEPS] == 1
    tells, follows, paths = setting[TELLS] == 1, setting[FOLLOWS] == 1, setting[PATHS]
    balances, swings = setting[BALANCES] == 1, setting[SWINGS] == 1
    n, last, one = state.shape[1], pieces.shape[0] - 1, scalars[0]
    zero, half = one - one, one / (one + one)
    per, base = (4 if state.itemsize == 4 else 2), pieces[0, TICK]
    wide, equal = (2 * n if current else n), nodes.shape[1] == 1
    k0, k1, r0, r1 = uint32(keys[0, 0]), uint32(keys[0, 1]), uint32(keys[1, 0]), uint32(keys[1, 1])

    most = 1
    for q in range(last + 1):
        most = max(most, pieces[q, CHANNEL] // wide + 1)
    told = (n if noisy else 0) + (n if shaky else 0)
    # Memory of one strip; what lies beyond its paths stays zero. Rows are no multiple of a page
    # apart: a processor takes a load for one of the store before it where the last twelve bits of
    # their addresses agree.
    stride = width + _APART
    room = np.zeros(((12 + depth) * n + 5 + modes + products.shape[0], stride), state.dtype)
    table = room[: 10 * n].reshape(10, n, stride)
    seen, x, score = table[2], table[3], table[4]
    resting, hot, done, hoped, reading = table[5], table[6], table[7], table[8], table[9]
    means = room[10 * n : 11 * n]
    held_back = room[11 * n : (11 + depth) * n].reshape(depth, n, stride)
    room = room[(11 + depth) * n :]
    flux, slope, pump, levels = room[0], room[1], room[2], room[3 : 3 + modes]
    scratch, together = room[3 + modes : 5 + modes + n], room[5 + modes + n :]
    wonder = np.zeros((n if knows else 1, stride))
    pulls = np.zeros((modes * n if kind == GENERAL else 1, stride), state.dtype)
    normals = np.zeros((most * wide + 1, per, stride), state.dtype)[1:]
    noises = np.zeros((max(told, 1), per, stride), state.dtype)
    bits = np.zeros((7, stride), np.uint32)[3:]
    drawn, out = np.full(most, -1, np.int64), np.zeros(12, state.dtype)

    for start in range(0, paths, width):
        count = min(width, paths - start)
        rows = min(trace.shape[2], count) if start == 0 else 0
        path, read = first + start, np.int64(-1)
        drawn[:] = -1
        turn, s = 0, table[0]
        for j in range(n):
            for i in range(count):
                s[j, i] = state[start + i, j]
            for m in range(depth):
                _scale(ring[m, j, start:], one, held_back[m, j], count)
            if knows:
                _scale(predicted[j, start:], one, means[j], count)
            if follows:
                for i in range(count):
                    wonder[j, i] = surprise[start + i, j]
            _scale(parts[j, start:], one, hot[j], count)
            _scale(parts[n + j, start:], one, done[j], count)
            _scale(parts[2 * n + j, start:], one, hoped[j], count)
        _scale(parts[3 * n, start:], one, pump, count)
        for q in range(last + 2):
            closes = q > last
            if closes and not closing:
                break
            tick = pieces[last, TICK] + 1 if closes else pieces[q, TICK]
            t = tick - base
            group, place = tick // per, tick % per

            if closes or pieces[q, READS] > 0:  # the decision
                law, own = laws[t], held_back[tick % depth]
                for j in range(n):
                    stiffness = nodes[STIFFNESS, 0 if equal else j]
                    for i in range(rows if not closes else 0):
                        trace[t, VOLTAGE, i, j] = s[j, i] * stiffness
                    if not ideal or kind > PAIR or (keeps and kind == AFFINE):
                        _scale(s[j], stiffness, seen[j], count)
                if ideal and kind == AFFINE:
                    for j in range(n):
                        m, stiffness = j % ticks.shape[2], nodes[STIFFNESS, 0 if equal else j]
                        _affine(s[j], ticks[t, STATE, m] * stiffness, ticks[t, SCORE, m],
                                own[j], count)  # fmt: skip
                    if keeps:  # the score is worked out where a frame is asked for
                        for j in range(n):
                            _scale(seen[j], one, scores[tick % depth, j, start:], count)
                elif not ideal:
                    if told > 0 and group != read:
                        read = group
                        for j in range(told):
                            draw(uint32(group), uint32(j), path, count, r0, r1, bits, noises[j])
                    for j in range(n):
                        m, row = (0 if equal else j), seen[j]
                        offset, gain = nodes[OFFSET, m], nodes[SENSE, m]
                        if senses:
                            _affine(row, gain, offset, reading[j], count)
                        else:
                            _scale(row, one, reading[j], count)
                        if noisy:
                            _add(noises[j, place], scalars[NOISE], reading[j], count)
                        if converts:
                            middle, step = scalars[ADC], scalars[ADC + 2]
                            _quantise(reading[j], middle, scalars[ADC + 1], step, one, count)
                            _encode(reading[j], middle, step, codes[t, j], start, count)
                        if knows:
                            mean, said = means[j], reading[j]
                            if senses:
                                said = scratch[0]
                                _undo(reading[j], offset, gain, said, count)
                            if tells:
                                _reread(reading[j], row, mean, informed[t, j, 2],
                                        informed[t, j, 0], pathwise, start, count)  # fmt: skip
                            if follows and pieces[q, READS] == 1:
                                _surprise(said, mean, wonder[j], count)
                            for i in range(rows):
                                trace[t, READING, i, j] = reading[j, i]
                                trace[t, PREDICTED, i, j] = mean[i]
                            _update(said, ticks[t, GAIN, j % ticks.shape[2]], mean, count)
                            for i in range(rows):
                                trace[t, ESTIMATE, i, j] = mean[i]
                        if filters:
                            _scale(means[j], one, row, count)
                        else:
                            _scale(reading[j], one, row, count)
                if kind == AFFINE and not ideal:
                    for j in range(n):
                        m = j % ticks.shape[2]
                        _affine(seen[j], ticks[t, STATE, m], ticks[t, SCORE, m], own[j],
                                count)  # fmt: skip
                    if keeps:  # the score is worked out where a frame is asked for
                        for j in range(n):
                            _scale(seen[j], one, scores[tick % depth, j, start:], count)
                elif kind != AFFINE:
                    if kind == PAIR:
                        told_to = x[0] if closes else own[0]  # nobody acts on the closing one
                        row, stiffness = (s[0], nodes[STIFFNESS, 0]) if ideal else (seen[0], one)
                        if wanted:
                            _pair_slope(row, stiffness, scalars[ROOT], law, ticks[t, STATE, 0],
                                        ticks[t, SCORE, 0], ticks[t, WEIGHT, 0],
                                        ticks[t, CONSTANT, 0], one, told_to, score[0], slope,
                                        count)  # fmt: skip
                        else:
                            _pair(row, stiffness, scalars[ROOT], law, ticks[t, STATE, 0],
                                  ticks[t, SCORE, 0], one, told_to, score[0], count)  # fmt: skip
                    else:
                        for j in range(n):
                            _scale(seen[j], scalars[ROOT], x[j], count)
                        if kind == SHARED:
                            _shared(x, law, modes, n, full, levels, score, slope, scratch, wanted,
                                    relative, one, count)  # fmt: skip
                        else:
                            _general(x, law, modes, n, full, levels, pulls, score, slope, scratch,
                                     wanted, relative, one, count)  # fmt: skip
                        if wanted:
                            _affine(slope, ticks[t, WEIGHT, 0], ticks[t, CONSTANT, 0], slope,
                                    count)  # fmt: skip
                    if wanted:
                        _add(slope, pumped[t, 0], pump, count)
                        profile[t] += _total(slope, count)
                    if closes:
                        break
                    plain = not shaky and scalars[FACTOR] == one
                    for j in range(0 if kind == PAIR and plain else n):
                        if scalars[FACTOR] != one:
                            _scale(score[j], scalars[FACTOR], score[j], count)
                        if shaky:
                            _add(noises[told - n + j, place], scalars[SHAKE], score[j], count)
                        m = j % ticks.shape[2]
                        if kind == PAIR:
                            _again(row, stiffness, ticks[t, STATE, m], score[j],
                                   ticks[t, SCORE, m], own[j], count)  # fmt: skip
                        else:
                            _combine(seen[j], ticks[t, STATE, m], score[j], ticks[t, SCORE, m],
                                     own[j], count)  # fmt: skip
                if not ideal:
                    for j in range(n):
                        m, row = (0 if equal else j), own[j]
                        _scale(row, nodes[TUNE, m], row, count)
                        if drives:
                            _quantise(row, scalars[DAC], scalars[DAC + 1], scalars[DAC + 2], one,
                                      count)  # fmt: skip
                        if swings:
                            _amplify(row, nodes[LIFT, m], scalars[FOLLOWER], scalars[SWING], count)
                        if tells:
                            _pull(means[j], row, informed[t, j, 1], quadratic, start,
                                  count)  # fmt: skip
                if keeps and kind != AFFINE:
                    for j in range(n):
                        _scale(score[j], one, scores[tick % depth, j, start:], count)

            applies = pieces[q, APPLIES]  # the step
            held = applies >= 0
            at = applies % depth if held else 0
            for i in range(rows):
                for j in range(n):
                    applied[q, i, j] = held_back[at, j, i] if held else zero
            frame = pieces[q, FRAME]
            if frame >= 0:
                for j in range(n):
                    v = nodes[STIFFNESS, 0 if equal else j]
                    for i in range(count):
                        frames[frame, 0, start + i, j] = s[j, i] * v
                        frames[frame, 1, start + i, j] = held_back[at, j, i] if held else zero
                        if keeps:
                            frames[frame, 2, start + i, j] = (
                                scores[at, j, start + i] if held else zero
                            )
            part = pieces[q, CHANNEL] // wide
            if drawn[part] != group:
                drawn[part] = group
                for j in range(wide):
                    draw(uint32(group), uint32(part * wide + j), path, count, k0, k1, bits,
                         normals[part * wide + j])  # fmt: skip
            for j in range(n):
                c, m = coefficients[q], (0 if coefficients.shape[2] == 1 else j)
                stiffness = nodes[STIFFNESS, 0 if equal else j]
                e = held_back[at, j] if held else resting[j]
                xi, then, now = normals[part * wide + j, place], table[1 - turn, j], s[j]
                _move(now, c[DECAY, m], e, c[INPUT, m], xi, c[SPREAD, m], then, count)
                if current:
                    _flux(now, c[SUM_STATE, m], e, c[SUM_INPUT, m], xi, c[FOLLOW, m],
                          normals[part * wide + n + j, place], c[REST, m], flux, count)  # fmt: skip
                    _book_current(now, then, e, flux, half * stiffness, c[LENGTH, m], hot[j],
                                  done[j], count)  # fmt: skip
                    if balances:
                        _expect_current(now, e, stiffness, c[ONE, m], c[TWO, m], c[THREE, m],
                                        hoped[j], count)  # fmt: skip
                    _sums_current(now, then, e, flux, c[KEEP, m], c[PUSH, m], stiffness,
                                  c[LENGTH, m], count, out)  # fmt: skip
                else:
                    _book(now, then, e, half * stiffness, hot[j], done[j], count)
                    if balances:
                        _expect(now, e, stiffness, c[ONE, m], hoped[j], count)
                    _sums(now, then, e, c[KEEP, m], c[PUSH, m], stiffness, count, out)
                _extremes(now, then, e, stiffness, half * stiffness, c[CONDUCTANCE, m], current,
                          count, out)  # fmt: skip
                for column in range(8):
                    sums[q, j, column] += out[column]
                pace, gamma = c[PACE, m], c[CONDUCTANCE, m]
                peaks[0] = max(peaks[0], out[8])
                if held:
                    peaks[1] = max(peaks[1], out[9] * (pace if current else one))
                    peaks[2] = max(peaks[2], out[10] * gamma * pace)
                    if current:
                        peaks[2] = max(peaks[2], out[9] * pace)
                        peaks[3] = max(peaks[3], out[11] * stiffness * pace)
                    else:
                        peaks[3] = max(peaks[3], out[10] * gamma * stiffness * pace)
                if pieces[q, WATCHED] == 1:
                    _residual(now, then, e, c[KEEP, m], c[PUSH, m], stiffness, together[groups[j]],
                              count)  # fmt: skip
                if knows:
                    mean = means[j]
                    _combine(mean, c[PREDICT, m], e, c[RESPOND, m], mean, count)
                if pieces[q, FLUSH] == 1:
                    _flush(hot[j], heat, start, j, count)
                    _flush(done[j], work, start, j, count)
                    if balances:
                        _flush(hoped[j], expected, start, j, count)
            turn = 1 - turn
            s = table[turn]
            if pieces[q, WATCHED] == 1:
                _multiply(together, weights[q], products)
                together[:] = zero
            if wanted and pieces[q, FLUSH] == 1:
                _flush_one(pump, pumping, start, count)
        if wanted and pieces[last, FLUSH] == 1:  # the closing decision comes behind it
            _flush_one(pump, pumping, start, count)
        _scale(pump, one, parts[3 * n, start:], count)
        for j in range(n):
            _scale(hot[j], one, parts[j, start:], count)
            _scale(done[j], one, parts[n + j, start:], count)
            _scale(hoped[j], one, parts[2 * n + j, start:], count)
            for i in range(count):
                state[start + i, j] = s[j, i]
            for m in range(depth):
                _scale(held_back[m, j], one, ring[m, j, start:], count)
            if follows:
                for i in range(count):
                    surprise[start + i, j] = wonder[j, i]
            if knows:
                _scale(means[j], one, predicted[j, start:], count)
