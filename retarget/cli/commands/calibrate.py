"""``retarget calibrate``: the similarity between a robot's hands and human hands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from retarget.cli.commands.console import remark, stdout, working
from retarget.cli.commands.options import HandOptions, file_option
from retarget.cli.commands.places import Output, check_places, make_folder


def calibrate(
    using: HandOptions,
    out: Annotated[
        Path | None,
        file_option(
            "--out", "Write it: for --calibration, or as calibration.toml beside robot.toml."
        ),
    ] = None,
) -> None:
    """Find scale, rotation and offset with which a robot's hands fit human hands best.

    A rotation of more than 45 degrees speaks against wrist_to_mano of robot.toml; a warning then
    says what fits.
    """
    check_places(using.reads(), [Output("--out", out)])

    from retarget.cli.tables import line, print_calibration
    from retarget.human.hand_model import hands_hash, load_hands
    from retarget.mapping.calibration import calibrate, turn_warning
    from retarget.robot.spec import save_calibration

    models, loaded = load_hands(using.hands), using.load_robot()
    with working("calibrating both hands"):
        found = calibrate(loaded, models)
    console = stdout()
    print_calibration(console, found)
    for side, calibration in zip(loaded.sides, found, strict=True):
        warning = turn_warning(side, calibration)
        if warning:
            remark(str(warning), "warning")
    if out is not None:
        make_folder(out)
        save_calibration(out, hands_hash(models), found)
        line(console, f" saved {out}")
