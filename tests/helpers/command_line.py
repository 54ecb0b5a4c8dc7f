"""The command as the tests call it."""

from __future__ import annotations

from typing import Any

from typer.testing import CliRunner

from retarget.cli.main import app


def run(*args: Any) -> Any:
    """``retarget ARGS``: exit code, output, errors."""
    return CliRunner().invoke(app, [str(arg) for arg in args])
