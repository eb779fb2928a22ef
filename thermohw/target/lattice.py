r"""Are these numbers continuous? Rounded ones have no density, and their entropy is -infinity.

The differential entropy of a variable that takes some value with positive probability is -inf: a
score network then lowers its negative log-likelihood for ever by narrowing its peaks. Dequantising,
row -> row + step u with u uniform on [0, 1), restores a density. Two signs give such data away,
and neither occurs in truly continuous data at the precision of float32 or seven printed digits:

    levels       more than half of a column's values occur again in the same column
    point mass   one value fills at least 5 % of a column, as zeros of sparse data or a sensor's
                 rail do, while the rest need not repeat at all

The spacing is the greatest common divisor of the differences between levels, by Euclid's algorithm
with a tolerance for rounding; values that are all within 0.01 of a multiple of 1/255 are 8-bit
levels divided by 255. Columns that are constant everywhere say nothing and are passed over.
"""

from __future__ import annotations

import numpy as np

from thermohw.errors import InputError

__all__ = ["refuse_gaps", "refuse_levels"]

_REPEATS = 0.5
_MASS = 0.05
_FEWEST = 5  # equal values: fewer may be chance in a coarse file of 20 rows
_VALUES = 4_000_000  # looked at; of larger data evenly spaced rows
_ROWS = 2_000
_SPARSE = 16
_GAP = 4.0  # levels so many steps apart: a step of other units, not a cautious one
_STEPS = 1 << 24  # levels a spacing may divide the range into; finer is rounding of the format


def refuse_levels(rows: np.ndarray, where: str) -> None:
    """Refuse data that have no density as they are.

    Args:
        rows: shape (n, d), finite real numbers, data units.
        where: the file, for the message.

    Raises:
        InputError: levels or a point mass, with the numbers that show it and the remedy.
    """
    values, fresh, repeats = _runs(rows)
    n = len(values)
    varies = fresh.sum(0) > 1
    levels = varies & (repeats > _REPEATS)
    mass, commonest = _heaviest(values, fresh)
    heavy = varies & (mass >= max(_MASS * n, _FEWEST))
    rounded = levels & ~_one_value_only(mass, repeats, n)
    if rounded.any():
        found = np.unique(values[:, rounded])
        share = float(repeats[rounded].mean())
        seen = f"{len(found)} different values in {_columns(rounded)}, {share:.1%} repeated"
        few = 2 * rounded.sum() < varies.sum()  # dequantise would shake the others as well
        instead = f", or leave them out (column {int(np.argmax(rounded))})" if few else ""
        raise InputError(_remedy(values[:, rounded], found, seen) + instead, where=where)
    if heavy.any():
        column = int(np.argmax(np.where(heavy, mass, 0)))
        raise InputError(
            f"a point mass: {mass[column] / n:.1%} of column {column} equal "
            f"{commonest[column]:.6g} ({_columns(heavy)} like it), so there is no density "
            "(entropy -inf); leave such columns out, model the other rows, or give "
            "dequantise = STEP, the resolution of the values",
            where=where,
        )


def refuse_gaps(rows: np.ndarray, step: float, where: str) -> None:
    """Refuse a step that is far smaller than the spacing of the levels it shall fill.

    With step u in place of the gaps a density exists, but one of narrow bars: a network fits the
    bars, and bits per dimension count levels that never occur.

    Args:
        rows: shape (n, d), finite real numbers, data units.
        step: what they are dequantised by.
        where: for the message.

    Raises:
        InputError: levels four steps apart or more.
    """
    values, fresh, repeats = _runs(rows)
    rounded = (fresh.sum(0) > 1) & (repeats > _REPEATS)
    if not rounded.any():
        return
    spacing = _spacing(values[:, rounded])
    if spacing is not None and spacing > _GAP * step:
        raise InputError(
            f"{step:.6g} leaves gaps: the data are multiples of {spacing:.10g} apart; give "
            f"{spacing:.10g}, the step in the units of the file",
            where=where,
        )


def _runs(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted columns, where a run of equal values begins, and each column's share of repeats."""
    stride = max(1, len(rows) // max(_ROWS, _VALUES // rows.shape[1]))
    values = np.sort(rows[::stride].astype(np.float64), axis=0)
    fresh = np.ones(values.shape, dtype=bool)
    fresh[1:] = values[1:] != values[:-1]
    alone = fresh.copy()
    alone[:-1] &= fresh[1:]
    return values, fresh, 1.0 - alone.mean(0)


def _remedy(columns: np.ndarray, found: np.ndarray, seen: str) -> str:
    """What the levels look like and what to write; columns sorted, found all their values."""
    start = "rounded data have no density (entropy -inf): "
    if found[0] >= 0.0 and found[-1] <= 1.0 and len(found) > 2:
        eight_bit = found * 255.0
        if np.abs(eight_bit - np.rint(eight_bit)).max() < 0.01:
            return (
                f"{start}{seen}, all multiples of 1/255 like 8-bit pixels divided by 255; "
                f"add dequantise = {1.0 / 255.0:.10g} (1/255)"
            )
    step = _spacing(columns)
    if step is None:
        return (
            f"{start}{seen}, of no common spacing; give the data in the units they were measured "
            "in, where levels are equally spaced, and that spacing as dequantise = STEP"
        )
    return f"{start}{seen}, multiples of {step:.10g} apart; add dequantise = {step:.10g}"


def _spacing(columns: np.ndarray) -> float | None:
    """Common divisor of the gaps between levels of one column; None where there is none."""
    gaps = np.diff(columns, axis=0)  # of sorted values; each column may have its own origin
    gaps = np.unique(gaps[gaps > 0.0])
    span = float((columns[-1] - columns[0]).max())
    # float32 input has 2^-24 of the largest value as its own rounding; decimals are far coarser
    tolerance = 2.0**-22 * float(np.abs(columns).max())
    step = float(gaps[0])
    for gap in gaps:
        a, b = float(gap), step
        while b > 0.0:
            times = round(a / b)
            rest = abs(a - b * times)
            a, b = b, rest if rest > tolerance * (1 + times) else 0.0
        step = a
        if step < max(span / _STEPS, 4.0 * tolerance):
            return None
    # a divisor that few of its multiples use is an accident of columns with spacings of their own
    if step < 0.99 * gaps[0] and span / step > _SPARSE * len(np.unique(columns)):
        return None
    return span / round(span / step)  # the longest lever has the smallest rounding


def _heaviest(values: np.ndarray, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How often the commonest value of each sorted column occurs, and that value, shapes (d,)."""
    n = len(values)
    number = np.arange(n)[:, None]
    start = np.maximum.accumulate(np.where(fresh, number, 0), axis=0)
    length = number - start + 1
    last = length.argmax(0)
    columns = np.arange(values.shape[1])
    return length[last, columns], values[last, columns]


def _one_value_only(mass: np.ndarray, repeats: np.ndarray, n: int) -> np.ndarray:
    """Columns whose repeats are all of one value: a point mass beside continuous values."""
    return repeats * n <= mass + _REPEATS * (n - mass)


def _columns(which: np.ndarray) -> str:
    """ "61 of 64 columns"."""
    return f"{int(which.sum())} of {len(which)} columns"
