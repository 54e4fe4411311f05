"""Least squares with a handful of unknowns, without an array library: the CLI starts without one."""

from __future__ import annotations

import math
from collections.abc import Sequence


def least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """x with the least sum of squares of (rows x - wanted), by the normal equations.

    What the unknowns are believed to be beforehand is given as further rows, which also keep the equations
    solvable.

    Raises:
        ValueError: the rows leave an unknown open.
    """
    count = len(rows[0])
    normal = [
        [sum(row[i] * row[j] for row in rows) for j in range(count)]
        + [sum(row[i] * value for row, value in zip(rows, wanted, strict=True))]
        for i in range(count)
    ]
    return _eliminate(normal)


def spreads(rows: Sequence[Sequence[float]]) -> list[float]:
    """Standard deviation of each unknown, where every row is divided by its own error.

    Raises:
        ValueError: the rows leave an unknown open.
    """
    count = len(rows[0])
    normal = [[sum(row[i] * row[j] for row in rows) for j in range(count)] for i in range(count)]
    return [
        math.sqrt(_eliminate([[*normal[i], float(i == k)] for i in range(count)])[k])
        for k in range(count)
    ]


def _eliminate(matrix: list[list[float]]) -> list[float]:
    """Gauss with the largest pivot; the last column is the right-hand side."""
    count = len(matrix)
    for column in range(count):
        pivot = max(range(column, count), key=lambda i: abs(matrix[i][column]))
        if abs(matrix[pivot][column]) < _NOTHING:
            raise ValueError("an unknown that no row speaks of")
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        for row in range(count):
            if row != column:
                factor = matrix[row][column] / matrix[column][column]
                matrix[row] = [
                    a - factor * b for a, b in zip(matrix[row], matrix[column], strict=True)
                ]
    return [matrix[i][count] / matrix[i][i] for i in range(count)]


_NOTHING = 1e-12
