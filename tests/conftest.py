"""Shared fixtures: optional reference data beside the project, and quiet hypothesis settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "retarget",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("retarget")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real recordings and public robot models beside the project; skips where absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no reference data beside the project")
    return folder


@pytest.fixture(autouse=True)
def _own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as a user's pipe gets them, whatever width a test runner sets."""
    monkeypatch.delenv("COLUMNS", raising=False)
