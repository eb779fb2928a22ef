"""What a study concludes: numbers, tables, figures, checks and findings, collected in order.

`conclude` fills a sheet; nothing is written before it has come to its end. Numbers that are NaN or
infinite are kept as unknown (null in JSON): what could not be computed is shown, never left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from thermohw.errors import InputError
from thermohw.estimate import HOLDS, VIOLATED, Estimate, called_of, judge, largest_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["STATUSES", "Sheet", "Status"]

Status = Literal["holds", "violated", "explained", "not-applicable"]
STATUSES: tuple[Status, ...] = ("holds", "violated", "explained", "not-applicable")


class Sheet:
    """The answer of a study.

    Attributes:
        numbers: name -> {value, stderr, unit, published, note}.
        tables: {name, caption, columns, rows} each.
        figures: {name, caption, width, height} each; pixels of a page.
        checks: {name, status, detail} each.
        findings: sentences.
        drawn: figure name -> matplotlib figure.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, dict[str, Any]] = {}
        self.tables: list[dict[str, Any]] = []
        self.figures: list[dict[str, Any]] = []
        self.checks: list[dict[str, Any]] = []
        self.findings: list[str] = []
        self.drawn: dict[str, Figure] = {}

    def number(
        self,
        name: str,
        value: float | Estimate | None,
        stderr: float | None = None,
        unit: str = "nats",
        published: float | str | None = None,
        note: str = "",
    ) -> None:
        """A number of the study.

        Args:
            name: dotted, such as "correlation.pearson".
            value: the number, or it with its error; None or NaN where it is unknown.
            stderr: its standard error, where there is one.
            unit: "1" for pure numbers.
            published: what a paper says, where one does: a number, or text such as "0.69".
            note: how it was obtained, or why it is unknown.
        """
        _unique(name, self.numbers, "number")
        _require_texts(f"number {name}", unit, note)
        if isinstance(value, Estimate):
            value, stderr = value
        self.numbers[name] = {
            "value": _known(value),
            "stderr": _known(stderr),
            "unit": unit,
            "published": published if isinstance(published, str) else _known(published),
            "note": note,
        }

    def table(
        self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = ""
    ) -> None:
        """A table.

        Args:
            name: unique among the tables.
            columns: headings.
            rows: as many entries each: numbers, texts, None for unknown, or (value, standard
                error).
            caption: a sentence above it.
        """
        _unique(name, [table["name"] for table in self.tables], "table")
        _require_texts(f"table {name}", caption, *columns)
        made = [[_entry(entry) for entry in row] for row in rows]
        wrong = [row for row in made if len(row) != len(columns)]
        assert not wrong, f"table {name}: {len(wrong[0])} entries under {len(columns)} headings"
        table = {"name": name, "caption": caption, "columns": list(columns), "rows": made}
        self.tables.append(table)

    def figure(self, name: str, figure: Figure, caption: str) -> None:
        """A figure, drawn with `thermohw.study.figures.panels` or any matplotlib figure.

        Args:
            name: of its files: letters, digits, "_" and "-".
            figure: the drawing.
            caption: one or two sentences: what is seen and what it shows.
        """
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name), f"{name!r} is no name for a file"
        _unique(name, self.drawn, "figure")
        _require_texts(f"figure {name}", caption)
        width, height = (round(100 * size) for size in figure.get_size_inches())
        self.figures.append({"name": name, "caption": caption, "width": width, "height": height})
        self.drawn[name] = figure

    def check(self, name: str, status: Status, detail: str) -> None:
        """A law or a claim, and what became of it.

        Args:
            name: of the check.
            status: "holds", "violated", "explained" or "not-applicable".
            detail: the numbers behind it, in one line.

        Raises:
            InputError: an unknown status.
        """
        _unique(name, [check["name"] for check in self.checks], "check")
        if status not in STATUSES:
            raise InputError(f"check {name}: {status!r} is not one of {', '.join(STATUSES)}")
        self.checks.append({"name": name, "status": status, "detail": " ".join(detail.split())})

    def law(
        self,
        name: str,
        found: Estimate | float | Sequence[Estimate | float] | NDArray[Any],
        expected: float = 0.0,
        *,
        relation: str = "=",
        within: float | None = None,
        detail: str = "",
        cause: str = "",
    ) -> Status:
        """A number with a standard error held against what it should be, by the rule of
        `thermohw.estimate`; the deviation, and what would have been called violated, stand at the
        end of the detail.
        A residual, which has no standard error, is held against what is known to be able to make
        it: rounding, a quadrature, a solver's tolerance.

        Args:
            name: of the check.
            found: a number, or a z already in standard errors; several are judged by their largest
                deviation, as improbable as it is for so many.
            expected: what it should be, or the bound of an inequality; of a z it is 0.
            relation: "=", ">=" or "<=", as `thermohw.estimate.judge`.
            within: of residuals: how far off they may be, derived and not guessed.
            detail: the numbers behind it, in one line.
            cause: where a deviation has a cause whose size was measured: it, in words; then a
                deviation is explained.

        Returns:
            The status.
        """
        many = list(found) if isinstance(found, Sequence | np.ndarray) else [found]
        assert many, f"check {name}: nothing to judge"
        if within is not None:
            gaps = np.array([float(value) for value in many]) - expected  # type: ignore[arg-type]
            worst = float(np.max({"=": np.abs(gaps), ">=": -gaps, "<=": gaps}[relation]))
            status: Status = HOLDS if worst <= within else VIOLATED  # a nan is a violation
            said = f"; worst {worst:.2g}, more than {within:.2g} would have been called"
            return self._judged(name, status, detail, said, cause)
        numbers = [e if isinstance(e, Estimate) else Estimate(float(e), 1.0) for e in many]
        zs = np.array([number.z(expected) for number in numbers])
        signed = {"=": np.abs(zs), ">=": -zs, "<=": zs}[relation]
        worst = float(zs[signed.argmax()])  # the place of a nan, where there is one
        status = cast("Status", judge(largest_of(worst, len(zs)), relation=relation))
        said = f"; z = {worst:+.2f}" + (f", the worst of {len(zs)}" if len(zs) > 1 else "")
        return self._judged(name, status, detail, said + _power(many, relation), cause)

    def _judged(self, name: str, status: Status, detail: str, said: str, cause: str) -> Status:
        if status != HOLDS and cause:
            status, detail = "explained", f"{detail}: {cause}"
        self.check(name, status, (detail + said).removeprefix("; "))
        return status

    def finding(self, text: str) -> None:
        """One sentence in words, made from the numbers."""
        self.findings.append(" ".join(text.split()))

    @property
    def holds(self) -> bool:
        """Whether no check is violated."""
        return all(check["status"] != "violated" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return {
            "numbers": self.numbers,
            "tables": self.tables,
            "figures": self.figures,
            "checks": self.checks,
            "findings": self.findings,
        }


def _power(found: Sequence[Estimate | float], relation: str) -> str:
    """What would have been called violated, in words; "" where nothing is known of the errors."""
    first = found[0]
    if len(found) == 1 and isinstance(first, Estimate):
        from thermohw.audit.table import power_words  # an audit's room imports torch

        return power_words(first.power(relation))
    size = called_of(len(found))
    one = f" in one of {len(found)}" if len(found) > 1 else ""
    return f"; {size:.3g} standard errors{one} would have been called"


def _known(value: Any) -> float | int | None:
    """A JSON number, or None for what is no number."""
    if value is None:
        return None
    if isinstance(value, bool | np.bool_) or isinstance(value, int | np.integer):
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else None


def _entry(entry: Any) -> Any:
    if entry is None or isinstance(entry, str):
        return entry
    if isinstance(entry, tuple | list):
        value, stderr = entry
        return {"value": _known(value), "stderr": _known(stderr)}
    return _known(entry)


def _require_texts(what: str, *texts: object) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise InputError(f"{what}: expected text, got {text!r}")


def _unique(name: str, names: Iterable[str], kind: str) -> None:
    _require_texts(kind, name)
    if name in names:
        raise InputError(f"two {kind}s are called {name!r}: give each a name of its own")
