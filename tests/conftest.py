"""Shared by all tests: where the real data and the official scores lie, when they are there."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SHARED = Path(__file__).resolve().parents[2] / "shared"

# Property tests say what is right, not how fast: a busy machine fails none of them.
settings.register_profile(
    "kit", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("kit")


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
