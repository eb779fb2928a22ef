"""The page of a run: whole, self-contained, and in agreement with its file."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from pace import pieces
from report.report_runs import Page, kept_audit

from thermohw.audit import audit
from thermohw.report import report
from thermohw.report.verdicts import typeset
from thermohw.store import RunReader, Series


def page_of(path: Path, tmp_path: Path, **options: object) -> Page:
    """Make and parse a page; digits need a kept audit, since their score is no score of theirs."""
    if path.stem == "digits":
        options.setdefault("audit", kept_audit(path))
    return Page(report(path, tmp_path / "page.html", **options))


def test_page_is_whole_and_needs_no_network(any_run: Path, tmp_path: Path) -> None:
    page = page_of(any_run, tmp_path)
    identifiers = page.all("id")
    assert len(identifiers) == len(set(identifiers))
    assert len(page.elements("h1")) == 1
    for place in page.all("href") + page.all("src"):
        assert place.startswith(("data:", "#")), place
        assert not place.startswith("#") or place[1:] in identifiers, place
    assert not re.search(r"https?:|url\((?!#)|@import|<script", page.source)
    for place in re.findall(r"url\(#([^)]*)\)", page.source):
        assert place in identifiers
    pictures = [e for e in page.elements("svg") + page.elements("img") if e.get("class") != ""]
    assert pictures and all(e.get("alt") or e.get("aria-label") for e in pictures)


def test_page_is_a_pure_function(any_run: Path, tmp_path: Path) -> None:
    audit = kept_audit(any_run)
    first, second = (page_of(any_run, tmp_path, audit=audit).source for _ in range(2))
    assert first == second


def test_page_is_written_at_once(mixture: Path, tmp_path: Path) -> None:
    found = audit(mixture)
    assert pieces(lambda: report(mixture, tmp_path / "page.html", audit=found)) < 60.0


def test_every_quantity_and_check_is_there(noisy: Path, tmp_path: Path) -> None:
    page = page_of(noisy, tmp_path, audit=audit(noisy))
    found = json.loads(str(audit(noisy).to_json()))
    for name, quantity in found["quantities"].items():
        assert name in page.text
        if quantity["value"] is not None:
            assert quantity["value"] in page.numbers[name]
    for check in found["checks"]:
        assert f"check-{check['name']}" in page.all("id")
        reason = typeset(check["detail"])
        if check["status"] == "not-applicable":  # what others say besides stands in their row
            reason = reason.partition("; ")[0]
        assert " ".join(reason.split()) in page.text
        row = page.source[page.source.index(f'id="check-{check["name"]}"') :].split("</tr>")[0]
        assert ("would have called" in row) == (check["power"] is not None)
    assert any(check["power"] is not None for check in found["checks"])


def test_numbers_are_those_of_the_file(mixture: Path, tmp_path: Path) -> None:
    page = page_of(mixture, tmp_path)
    with RunReader.open(mixture) as run:
        kt = float(run.parameters["units"]["energy"])
        heat, work = run.ledger("heat.r0") / kt, run.ledger("work.emf") / kt
        profile = run.result("profile").sum(0) / run.paths
    # 4096 numbers added in another order: round-off of 1e-13 of their absolute sum.
    for name, values in {"heat.total.kT": heat, "heat.r0.kT": heat, "work.emf.kT": work}.items():
        assert page.numbers[name] == pytest.approx(
            [float(values.mean())] * len(page.numbers[name]), abs=1e-13 * np.abs(values).sum()
        )
    error = heat.std(ddof=1) / np.sqrt(len(heat))
    digits = 1 - int(np.floor(np.log10(error)))
    shown = f"{heat.mean():.{digits}f} ± {error:.{digits}f} kT".replace("-", "−")
    assert shown in page.text
    label = next(e["aria-label"] for e in page.elements("svg") if e.get("id") == "rates-physical")
    drawn = [
        float(x.replace("−", "-")) for x in re.findall(r"(?:heat|work|pumping) (−?\d+\.\d+)", label)
    ]
    assert drawn == pytest.approx(profile.tolist(), rel=5e-3)  # three digits


def test_page_opens_with_joules(images: Path, tmp_path: Path) -> None:
    page = page_of(images, tmp_path, audit=kept_audit(images))
    with RunReader.open(images) as run:
        heat = np.sum([run.ledger(n) for n in run.ledger_names if n[:5] == "heat."], axis=0)
    error = heat.std(ddof=1) / np.sqrt(len(heat))
    found = re.search(r"([−\d.]+) × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+) J", page.text)
    assert found is not None
    exponent = int(found[2].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    shown = float(found[1].replace("−", "-")) * 10.0**exponent
    # Two digits of the error are shown: at most half a tenth of it is rounded away.
    assert shown == pytest.approx(heat.mean(), abs=0.0501 * error)
    assert abs(heat.mean()) > 20.0 * error  # else any number would do


def test_model_and_wiring_are_told_apart(mixture: Path, unrecorded: Path, tmp_path: Path) -> None:
    page = page_of(mixture, tmp_path)
    assert "plug-in (model)" in page.text
    assert "physical (this wiring: emf, continuous)" in page.text
    assert {"rates-model", "rates-physical"} <= set(page.all("id"))
    bare = page_of(unrecorded, tmp_path)
    assert "rates-model" not in bare.all("id") and "rates-physical" in bare.all("id")
    assert "store.every = 0" in bare.text and "without its likelihood" in bare.text


def test_the_demons_story(noisy: Path, unrecorded: Path, mixture: Path, tmp_path: Path) -> None:
    """Sums over the run end where the file's own totals are; exact readings have no third curve."""

    def label(path: Path) -> str:
        elements = page_of(path, tmp_path).elements("svg")
        return next((e["aria-label"] for e in elements if e.get("id") == "demon-story"), "")

    words = label(noisy)
    with RunReader.open(noisy) as run:
        heat = float(run.result("profile")[:, 0].sum()) / run.paths
        told = float(np.sum(run.parameters["information"]["per_reading"]))
        profile = run.parameters["likelihood"]["profile"]
    rates = np.asarray(profile["intrinsic"]) + np.asarray(profile["exchange"])
    removed = -float(np.asarray(profile["weight"]) @ rates)
    for name, total in (("entropy removed", removed), ("heat given", heat),
                        ("information paid", told)):  # fmt: skip
        drawn = re.search(rf"{name} (−?[\d.]+)", words)
        assert drawn is not None, words
        assert float(drawn[1].replace("−", "-")) == pytest.approx(total, rel=1e-3)
    exact = label(unrecorded)
    assert re.search(r"heat given [−\d]", exact) and not re.search(r"information paid [−\d]", exact)
    assert "infinite information" in exact and "without its likelihood" in exact
    assert label(mixture) == ""  # continuous control reads nothing


def _bitmaps(page: Page) -> list[np.ndarray]:
    sources = [e["src"] for e in page.elements("img")]
    return [imread(io.BytesIO(base64.b64decode(s.split(",")[1]))) for s in sources]


def test_images_show_the_samples_on_one_grey_scale(images: Path, tmp_path: Path) -> None:
    film, generated, held_out = _bitmaps(page_of(images, tmp_path))
    with RunReader.open(images) as run:
        units = run.parameters["units"]
        volts = run.ledger("voltage.end", slice(0, 64))
    x = volts / float(units["volts_per_unit"])  # centred pixels: data = 256 (x + 1/2)
    grey = 1.0 - np.clip(x + 0.5, 0.0, 1.0)
    factor = generated.shape[1] // (8 * 4 + 7)
    corner = generated[factor // 2 :: factor, factor // 2 :: factor, 0]
    for i in (0, 9, 63):
        shown = corner[5 * (i // 8) : 5 * (i // 8) + 4, 5 * (i % 8) : 5 * (i % 8) + 4]
        # One byte a pixel, and a scale that ends within a hundredth of the true range.
        assert shown == pytest.approx(grey[i].reshape(4, 4), abs=0.5 / 255 + 0.011)
    assert generated.shape == held_out.shape
    assert abs(held_out.mean() - generated.mean()) < 0.1  # white gaps included, same law
    columns = round(film.shape[1] / film.shape[0] * 4)  # four paths
    assert columns >= 5


def test_digits_show_grids_bits_and_reasons(digits: Path, tmp_path: Path) -> None:
    page = page_of(digits, tmp_path)
    film, generated, held_out = _bitmaps(page)
    assert generated.shape == held_out.shape
    # Held-out digits are mostly paper with some ink on the scale 0 to 17, which is said.
    assert held_out.min() < 0.1 and held_out.mean() > 0.5
    assert "0 is paper, 17 is ink" in page.text
    assert "2.930 ± 0.050 bits/dim" in page.text
    assert "the law of the data is not known" in page.text
    nll = (np.linspace(100.0, 160.0, 8) / 64) / np.log(2.0)
    assert f"median {np.median(nll):.4g}" in page.text
    assert f"worst three {nll[-1]:.4g}, {nll[-2]:.4g}, {nll[-3]:.4g} bits" in page.text


def test_unpriced_is_not_zero(digits: Path, tmp_path: Path) -> None:
    page = page_of(digits, tmp_path)
    section = page.source[page.source.index("The electronics around it") :]
    section = section[: section.index("</section>")]
    assert "unpriced: 7" in section and 'data-name="cost.adc"' in section
    assert 'data-name="cost.score"' not in section


@pytest.mark.parametrize("status", ["holds", "explained", "violated", "not-applicable"])
def test_status_is_said_in_words_and_signs(status: str, unrecorded: Path, tmp_path: Path) -> None:
    page = page_of(unrecorded, tmp_path, audit=json.dumps(kept_audit(unrecorded, status)))
    symbol = {"holds": "✓", "explained": "≈", "violated": "✗", "not-applicable": "–"}[status]
    row = page.source[page.source.index('id="check-first_law"') :].split("</tr>")[0]
    assert symbol in row and status.replace("-", " ") in row
    assert ("Violated: First law." in page.text) == (status == "violated")
    assert "largest residual ≤ 10⁻¹⁰, ± nothing" in page.text


def test_series_are_never_read_whole(
    mixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    read = Series.read

    def spy(self: Series, *place: slice | int) -> np.ndarray:
        values = read(self, *place)
        sizes.append(values.shape)
        return values

    monkeypatch.setattr(Series, "read", spy)
    report(mixture, tmp_path / "page.html", audit=kept_audit(mixture))
    assert sizes and max(shape[-2] for shape in sizes) <= 40  # of 4096 paths
