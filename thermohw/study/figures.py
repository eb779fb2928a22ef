"""How a study draws: plots in the report's style. See `thermohw.report.study_figures`."""

from thermohw.report.study_figures import (
    COLOURS,
    PALETTE,
    flat,
    name_lines,
    panels,
    shades,
    study_style,
    tidy,
)

__all__ = ["COLOURS", "PALETTE", "flat", "name_lines", "panels", "shades", "study_style", "tidy"]
