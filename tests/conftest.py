"""Shared by all tests: where the real data and the official scores lie, when they are there."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmarks and annotations beside the checkout; the test is skipped without it."""
    return _folder("realdata", "tests on real files")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    """The folder of official scores beside the checkout; the test is skipped without it."""
    return _folder("golden", "comparisons with official scores")


def _folder(name: str, what: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no folder {SHARED / name}: {what} are left out")
    return SHARED / name
