"""Operations on rows of a strip: one number for each of neighbouring paths."""

from __future__ import annotations

import numpy as np

from thermohw.noise.jit import stage

__all__ = [
    "add", "add_product", "add_rows", "affine", "combine", "flush", "flush_one", "multiply", "scale"
]  # fmt: skip


@stage
def scale(x, factor, out, count):
    """out = factor x."""
    for i in range(count):
        out[i] = x[i] * factor


@stage
def affine(x, gain, bias, out, count):
    """out = gain x + bias."""
    for i in range(count):
        out[i] = x[i] * gain + bias


@stage
def combine(x, a, y, b, out, count):
    """out = a x + b y."""
    for i in range(count):
        out[i] = x[i] * a + y[i] * b


@stage
def add(x, factor, out, count):
    """out += factor x."""
    for i in range(count):
        out[i] += x[i] * factor


@stage
def add_product(x, y, factor, out, count):
    """out += factor x y."""
    for i in range(count):
        out[i] += x[i] * y[i] * factor


@stage
def add_rows(rows, many, factors, at, apart, out, count):
    """out += the sum of rows[m] * factors[at + m * apart], in their order, four in one pass."""
    m = 0
    while m + 4 <= many:
        a, b = factors[at + m * apart], factors[at + (m + 1) * apart]
        c, d = factors[at + (m + 2) * apart], factors[at + (m + 3) * apart]
        for i in range(count):
            out[i] = (((out[i] + rows[m, i] * a) + rows[m + 1, i] * b) + rows[m + 2, i] * c) + rows[
                m + 3, i
            ] * d
        m += 4
    while m < many:
        a = factors[at + m * apart]
        for i in range(count):
            out[i] += rows[m, i] * a
        m += 1


@stage
def flush(part, account, start, column, count):
    """Partial sums of a node into its float64 account."""
    for i in range(count):
        account[start + i, column] += part[i]
    for i in range(count):
        part[i] = part[i] - part[i]


@stage
def flush_one(part, account, start, count):
    """Partial sums into a float64 account."""
    for i in range(count):
        account[start + i] += part[i]
    for i in range(count):
        part[i] = part[i] - part[i]


@stage
def multiply(rows, weight, products):
    """products += weight rows rows^T."""
    product = np.dot(rows, rows.T)
    for g in range(product.shape[0]):
        for h in range(product.shape[1]):
            products[g, h] += weight * np.float64(product[g, h])
