"""The package as others get it: a wheel in an empty environment, far from the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import thermohw
from thermohw.study import study_names

ROOT = Path(thermohw.__file__).resolve().parent.parent
DEVICES = sorted(path.stem for path in (ROOT / "devices").glob("*.toml"))


def _run(*command: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel built from that sdist; no network is used."""
    folder = tmp_path_factory.mktemp("dist")
    copy = tmp_path_factory.mktemp("source")
    # A copy, so that building leaves nothing behind in the checkout.
    for name in ("thermohw", "devices", "experiments"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    _run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, ".", cwd=copy)
    return folder


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel, in a fresh environment that borrows our dependencies."""
    home = tmp_path_factory.mktemp("elsewhere") / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    wheel = next(distributions.glob("*.whl"))
    pip = (sys.executable, "-m", "pip", "--python", python)  # ours, at work on the new one
    _run(*pip, "install", "--no-deps", "--no-index", "-q", wheel, cwd=home)
    site = next((home / "lib").glob("python*")) / "site-packages"
    # Behind the wheel on the path, so it wins over an editable installation of this checkout.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_lists_and_reads_the_devices_outside_the_repository(installed: Path) -> None:
    code = (
        "import thermohw; from thermohw.datasheet import device_names, load_datasheet as load; "
        "print(thermohw.__file__); print(*device_names()); "
        "print(*(len(load(name).nodes) for name in device_names()), flush=True); "
        "from thermohw.cli.app import app; "
        "[app(words.split(), standalone_mode=False) for words in ('devices', 'experiment list')]"
    )
    printed = _run(installed, "-c", code, cwd=installed.parent)
    where, names, sizes, listed = printed.split("\n", 3)
    assert Path(where).is_relative_to(installed.parent.parent) and str(ROOT) not in where
    assert names.split() == DEVICES and all(int(size) >= 1 for size in sizes.split())
    assert all(name in listed for name in DEVICES)
    assert all(name in listed for name in study_names())
    assert all(path.stem in listed for path in (ROOT / "experiments").glob("*.toml"))
    # A run and its page need what ships beside the code: experiments, templates, style sheets.
    run = installed.parent / "run.h5"
    small = ("--paths", "64", "--set", "protocol.ticks=64", "--set", "likelihood.test=0")
    _run(installed.parent / "thermohw", "run", "mixture_rc", *small, "--out", run, cwd=run.parent)
    _run(installed.parent / "thermohw", "report", run, cwd=run.parent)
    assert run.with_suffix(".html").stat().st_size > 10_000


def test_sdist_and_wheel_hold_the_linked_folders(distributions: Path) -> None:
    members = zipfile.ZipFile(next(distributions.glob("*.whl"))).namelist()
    for name in DEVICES:
        assert f"thermohw/devices/{name}.toml" in members
    for path in (ROOT / "experiments").rglob("*.*"):
        if path.suffix in (".py", ".toml"):
            assert f"thermohw/{path.relative_to(ROOT)}" in members
    assert {"thermohw/experiments/__init__.py", "thermohw/py.typed"} <= set(members)
    prices = [*(ROOT / "thermohw" / "prices").rglob("*.toml")]
    assert len(prices) > 3 and {str(p.relative_to(ROOT)) for p in prices} <= set(members)
    stray = [m for m in members if not m.startswith(("thermohw/", "thermohw-"))]
    assert not stray


def test_the_links_are_relative_and_lead_to_the_top_level() -> None:
    for name in ("devices", "experiments"):
        assert os.readlink(ROOT / "thermohw" / name) == f"../{name}"


def test_version_and_pins_agree_with_the_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == thermohw.__version__
    pins = [
        line.split("==")[0]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    ]
    extras = project["optional-dependencies"]["dev"]
    direct = {d.split(">=")[0].split("[")[0] for d in project["dependencies"] + extras}
    assert direct == set(pins)


def test_import_is_cheap_beside_torch() -> None:
    """`import thermohw` loads nothing heavy (seconds are no test: machines differ); every public
    name resolves.
    """
    code = (
        "import sys, torch; import thermohw; "
        "heavy = {'pint', 'pydantic', 'h5py', 'matplotlib', 'sklearn', 'sdeint', 'typer'}; "
        "assert not heavy & set(sys.modules), heavy & set(sys.modules); "
        "[getattr(thermohw, name) for name in thermohw.__all__]"
    )
    _run(sys.executable, "-c", code, cwd=ROOT)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'wormhole'"):
        thermohw.wormhole  # noqa: B018
