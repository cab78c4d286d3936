"""Shared by all tests: where the real data lies, when it is there."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "realdata"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmarks and annotations beside the checkout; the test is skipped without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real data at {SHARED_DATA}: tests on real files are left out")
    return SHARED_DATA
