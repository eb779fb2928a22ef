"""The tick of uncoupled nodes with all its accounts, compiled: one pass over every path.

A strip of neighbouring paths goes through all ticks of a call before the next one starts: its
states, noise and partial accounts stay in the first cache. Every stage is a loop over the paths of
the strip, short enough for a compiler to vectorise, and every path's own numbers come from plain
operations in a fixed order: they do not depend on the strip, its length or what runs beside it.
Only sums over paths may be reordered, by the same code for strips of the same length.

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
from thermohw.integrate.fused.kernel_reading import (
    amplify,
    convert,
    learn,
    look,
    pull,
    quantise,
    tell,
    undo,
)
from thermohw.integrate.fused.kernel_rows import (
    add,
    affine,
    combine,
    flush,
    flush_one,
    multiply,
    scale,
)
from thermohw.integrate.fused.kernel_score import again, general, pair, pair_slope, pump, shared
from thermohw.integrate.fused.kernel_step import residual, step, step_current
from thermohw.noise.compiled import double_normals, single_normals
from thermohw.noise.jit import kernel

__all__ = ["play", "tally"]

# Kernels know plain whole numbers only.
AFFINE, PAIR, SHARED, GENERAL = AFFINE, PAIR, SHARED, GENERAL
(KIND, MODES, FULL, CURRENT, IDEAL, WANTED, NOISY, SHAKY, SENSES, CONVERTS, DRIVES, SWINGS, KNOWS,
 FILTERS, TELLS, FOLLOWS, CLOSING, KEEPS, BALANCES, PATHS) = (int(c) for c in Switch)  # fmt: skip
_, ROOT, NOISE, SHAKE, ADC, DAC, FOLLOWER, SWING, FACTOR = (int(c) for c in Scalar)
STIFFNESS, SENSE, OFFSET, TUNE, LIFT = (int(c) for c in NodeEntry)
TICK, READS, APPLIES, CHANNEL, WATCHED, FRAME, FLUSH = (int(c) for c in PieceEntry)
(LOSS, INPUT, SPREAD, SUM_STATE, SUM_INPUT, FOLLOW, REST, LENGTH, PULL, PUSH, ONE, TWO, THREE,
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
    slope, pumped_part, levels = room[1], room[2], room[3 : 3 + modes]
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
                scale(ring[m, j, start:], one, held_back[m, j], count)
            if knows:
                scale(predicted[j, start:], one, means[j], count)
            if follows:
                for i in range(count):
                    wonder[j, i] = surprise[start + i, j]
            scale(parts[j, start:], one, hot[j], count)
            scale(parts[n + j, start:], one, done[j], count)
            scale(parts[2 * n + j, start:], one, hoped[j], count)
        scale(parts[3 * n, start:], one, pumped_part, count)
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
                    if ideal and (kind > PAIR or (keeps and kind == AFFINE)):
                        scale(s[j], stiffness, seen[j], count)
                if ideal and kind == AFFINE:
                    for j in range(n):
                        m, stiffness = j % ticks.shape[2], nodes[STIFFNESS, 0 if equal else j]
                        affine(s[j], ticks[t, STATE, m] * stiffness, ticks[t, SCORE, m],
                                own[j], count)  # fmt: skip
                    if keeps:  # the score is worked out where a frame is asked for
                        for j in range(n):
                            scale(seen[j], one, scores[tick % depth, j, start:], count)
                elif not ideal:
                    if told > 0 and group != read:
                        read = group
                        for j in range(told):
                            draw(uint32(group), uint32(j), path, count, r0, r1, bits, noises[j])
                    for j in range(n):
                        m, row = (0 if equal else j), seen[j]
                        offset, gain = nodes[OFFSET, m], nodes[SENSE, m]
                        stiffness = nodes[STIFFNESS, m]
                        said = reading[j] if filters else row
                        hiss = noises[j, place] if noisy else resting[j]
                        look(s[j], stiffness, gain, offset, hiss, scalars[NOISE], said, count)
                        if converts:
                            convert(said, scalars[ADC], scalars[ADC + 1], scalars[ADC + 2], one,
                                    codes[t, j], start, count)  # fmt: skip
                        if knows:
                            mean, told_so = means[j], said
                            if senses:
                                told_so = scratch[0]
                                undo(said, offset, gain, told_so, count)
                            if tells:
                                tell(said, s[j], stiffness, mean, informed[t, j, 2],
                                     informed[t, j, 0], pathwise, start, count)  # fmt: skip
                            for i in range(rows):
                                trace[t, READING, i, j] = said[i]
                                trace[t, PREDICTED, i, j] = mean[i]
                            share = 1.0 if follows and pieces[q, READS] == 1 else 0.0
                            learn(told_so, ticks[t, GAIN, j % ticks.shape[2]], mean, wonder[j],
                                  share, row if filters else scratch[1], count)  # fmt: skip
                            for i in range(rows):
                                trace[t, ESTIMATE, i, j] = mean[i]
                if kind == AFFINE and not ideal:
                    for j in range(n):
                        m = j % ticks.shape[2]
                        affine(seen[j], ticks[t, STATE, m], ticks[t, SCORE, m], own[j],
                                count)  # fmt: skip
                    if keeps:  # the score is worked out where a frame is asked for
                        for j in range(n):
                            scale(seen[j], one, scores[tick % depth, j, start:], count)
                elif kind != AFFINE:
                    if kind == PAIR:
                        told_to = x[0] if closes else own[0]  # nobody acts on the closing one
                        row, stiffness = (s[0], nodes[STIFFNESS, 0]) if ideal else (seen[0], one)
                        if wanted:
                            profile[t] += pair_slope(
                                row, stiffness, scalars[ROOT], law, ticks[t, STATE, 0],
                                ticks[t, SCORE, 0], ticks[t, WEIGHT, 0], ticks[t, CONSTANT, 0],
                                one, told_to, score[0], pumped[t, 0], pumped_part, count,
                            )  # fmt: skip
                        else:
                            pair(row, stiffness, scalars[ROOT], law, ticks[t, STATE, 0],
                                 ticks[t, SCORE, 0], one, told_to, score[0], count)  # fmt: skip
                    else:
                        if kind == SHARED:
                            shared(seen, scalars[ROOT], law, modes, n, full, x, levels, score,
                                   slope, scratch, wanted, relative, one, count)  # fmt: skip
                        else:
                            general(seen, scalars[ROOT], law, modes, n, full, levels, pulls, score,
                                    slope, scratch, wanted, relative, one, count)  # fmt: skip
                        if wanted:
                            profile[t] += pump(slope, ticks[t, WEIGHT, 0], ticks[t, CONSTANT, 0],
                                               pumped[t, 0], pumped_part, count)  # fmt: skip
                    if closes:
                        break
                    plain = not shaky and scalars[FACTOR] == one
                    for j in range(0 if kind == PAIR and plain else n):
                        if scalars[FACTOR] != one:
                            scale(score[j], scalars[FACTOR], score[j], count)
                        if shaky:
                            add(noises[told - n + j, place], scalars[SHAKE], score[j], count)
                        m = j % ticks.shape[2]
                        if kind == PAIR:
                            again(row, stiffness, ticks[t, STATE, m], score[j],
                                   ticks[t, SCORE, m], own[j], count)  # fmt: skip
                        else:
                            combine(seen[j], ticks[t, STATE, m], score[j], ticks[t, SCORE, m],
                                     own[j], count)  # fmt: skip
                if not ideal:
                    for j in range(n):
                        m, row = (0 if equal else j), own[j]
                        if nodes[TUNE, m] != one:
                            scale(row, nodes[TUNE, m], row, count)
                        if drives:
                            quantise(row, scalars[DAC], scalars[DAC + 1], scalars[DAC + 2], one,
                                      count)  # fmt: skip
                        if swings:
                            amplify(row, nodes[LIFT, m], scalars[FOLLOWER], scalars[SWING], count)
                        if tells:
                            pull(means[j], row, informed[t, j, 1], quadratic, start,
                                  count)  # fmt: skip
                if keeps and kind != AFFINE:
                    for j in range(n):
                        scale(score[j], one, scores[tick % depth, j, start:], count)

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
                if current:
                    step_current(now, e, xi, normals[part * wide + n + j, place], then, hot[j],
                                  done[j], hoped[j], c[LOSS, m], c[INPUT, m], c[SPREAD, m],
                                  c[SUM_STATE, m], c[SUM_INPUT, m], c[FOLLOW, m], c[REST, m],
                                  half * stiffness, stiffness, c[PULL, m], c[PUSH, m],
                                  c[LENGTH, m], c[CONDUCTANCE, m], c[ONE, m], c[TWO, m],
                                  c[THREE, m], count, out)  # fmt: skip
                else:
                    step(now, e, xi, then, hot[j], done[j], hoped[j], c[LOSS, m], c[INPUT, m],
                          c[SPREAD, m], half * stiffness, stiffness, c[PULL, m], c[PUSH, m],
                          c[ONE, m], count, out)  # fmt: skip
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
                    residual(now, then, e, c[PULL, m], c[PUSH, m], stiffness, together[groups[j]],
                              count)  # fmt: skip
                if knows:
                    mean = means[j]
                    combine(mean, c[PREDICT, m], e, c[RESPOND, m], mean, count)
                if pieces[q, FLUSH] == 1:
                    flush(hot[j], heat, start, j, count)
                    flush(done[j], work, start, j, count)
                    if balances:
                        flush(hoped[j], expected, start, j, count)
            turn = 1 - turn
            s = table[turn]
            if pieces[q, WATCHED] == 1:
                multiply(together, weights[q], products)
                together[:] = zero
            if wanted and pieces[q, FLUSH] == 1:
                flush_one(pumped_part, pumping, start, count)
        if wanted and pieces[last, FLUSH] == 1:  # the closing decision comes behind it
            flush_one(pumped_part, pumping, start, count)
        scale(pumped_part, one, parts[3 * n, start:], count)
        for j in range(n):
            scale(hot[j], one, parts[j, start:], count)
            scale(done[j], one, parts[n + j, start:], count)
            scale(hoped[j], one, parts[2 * n + j, start:], count)
            for i in range(count):
                state[start + i, j] = s[j, i]
            for m in range(depth):
                scale(held_back[m, j], one, ring[m, j, start:], count)
            if follows:
                for i in range(count):
                    surprise[start + i, j] = wonder[j, i]
            if knows:
                scale(means[j], one, predicted[j, start:], count)
