"""Shared fixtures: robot, optional reference data, a browser; and quiet hypothesis settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from retarget.core.types import SIDES
from retarget.robot.arm.ik import ArmIK
from retarget.robot.robot import Robot

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


@pytest.fixture(scope="session")
def robot() -> Robot:
    """H1 with Inspire hands."""
    return Robot.load("h1_inspire")


@pytest.fixture(scope="session")
def arms(robot: Robot) -> dict[str, ArmIK]:
    """Both arms with default settings."""
    return {side: ArmIK(robot, side) for side in SIDES}


@pytest.fixture
def arm(arms: dict[str, ArmIK]) -> ArmIK:
    """One arm, where the side does not matter."""
    return arms["right"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium (playwright's `Browser`); skips where there is none, but not in CI.

    Of one module, because playwright leaves its event loop running in the thread, and `asyncio.run`
    of other modules' tests then fails.
    """
    from retarget.core.errors import RetargetError
    from retarget.viewer.browser import FLAGS, find_browser

    try:
        from playwright.sync_api import sync_playwright

        path = find_browser()
    except (ImportError, RetargetError) as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must run the browser tests: {missing}")
        pytest.skip(str(missing))
    with sync_playwright() as playwright:
        flags = [flag for flag in FLAGS if flag != "--headless"]
        opened = playwright.chromium.launch(executable_path=path, args=[*flags, "--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def _own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables as a user's pipe gets them, whatever width a test runner sets."""
    monkeypatch.delenv("COLUMNS", raising=False)
