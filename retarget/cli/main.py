"""The command line ``retarget``: its commands, and errors turned into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from retarget.cli.commands import mano
from retarget.cli.commands.calibrate import calibrate
from retarget.cli.commands.console import INTERRUPTED, complain, examples
from retarget.cli.commands.convert import to_actions, to_human, to_robot
from retarget.cli.commands.hand_networks import check_hand, train_hand
from retarget.cli.commands.inspect import inspect
from retarget.cli.commands.make_demo import make_demo
from retarget.cli.commands.options import Untrusted, unfolded
from retarget.cli.commands.people import calibrate_user, from_human
from retarget.cli.commands.replay import replay
from retarget.cli.commands.run import run
from retarget.cli.commands.teleop import teleop
from retarget.cli.commands.view import view
from retarget.cli.ending import ended


class _Group(TyperGroup):
    """Turns whatever ends a command into one line on stderr and an exit code."""

    def main(
        self, args: Any = None, *rest: Any, standalone_mode: bool = True, **kwargs: Any
    ) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        kwargs["standalone_mode"] = False

        def command() -> Any:
            try:
                return super(_Group, self).main(given, *rest, **kwargs)
            except Untrusted as wish:
                from retarget.cli.confined import run_confined

                return run_confined(given, wish.seconds)

        code = ended(command)
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # which typer would answer by itself
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)  # in the order of use, not of the alphabet


app = typer.Typer(
    cls=_Group,
    name="retarget",
    no_args_is_help=True,
    add_completion=False,
    # plain help texts: rich takes longer to load than everything else together
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=examples(
        "retarget make-demo demo.hdf5", "retarget replay demo.hdf5", title="Start with:"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from retarget.core.version import VERSION

        typer.echo(f"retarget {VERSION}")
        raise typer.Exit


@app.callback()
def _retarget(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Carry motion between a human hand (MANO) and a robot.

    Exit codes: 0 valid, 1 not valid, 2 bad input or a fault, 130 interrupted.
    """


for _command, _short_help, _examples in (
    (
        replay,
        "Demonstrations to human motion and back, measured.",
        (
            "retarget replay demo.hdf5",
            "retarget replay demo.hdf5 --html report.html",
            "retarget replay demo.hdf5 --out replayed.hdf5 --json report.json",
            "retarget replay recordings/ --out replayed/ --refine 1",
        ),
    ),
    (
        view,
        "A demonstration in 3D, in the browser or as a file.",
        (
            "retarget view demo.hdf5",
            "retarget view demo.hdf5 --html demo.html",
            "retarget view demo.hdf5 --png hand.png --frame 10 --camera left",
        ),
    ),
    (
        to_human,
        "Demonstrations to human hand motion.",
        (
            "retarget to-human demo.hdf5 --out human.hdf5",
            "retarget to-human recordings/ --out labels/",
        ),
    ),
    (
        to_robot,
        "Human hand motion to demonstrations.",
        (
            "retarget to-robot human.hdf5 --out demo.hdf5",
            "retarget to-robot predictions/ --out demos/ --refine 1",
        ),
    ),
    (
        to_actions,
        "Demonstrations to a policy's actions.",
        (
            "retarget to-actions demo.hdf5 --out actions.hdf5",
            "retarget to-actions recordings/ --out chunks/ --chunks --normalize egovla",
        ),
    ),
    (
        inspect,
        "What recordings of people's hands are, and what looks wrong.",
        (
            "retarget inspect session.npz --side right",
            "retarget inspect recordings/ --json found.json",
        ),
    ),
    (
        from_human,
        "People's hands to human hand motion.",
        (
            "retarget from-human keypoints.npz --side right --rate 30 --out human.hdf5",
            "retarget from-human episodes/ --user user.toml --fill linear --out motion/",
        ),
    ),
    (
        calibrate_user,
        "Find a person's hands and tracker.",
        ("retarget calibrate-user keypoints.npz --side right --out user.toml",),
    ),
    (
        teleop,
        "A person's hands live to joint commands.",
        (
            "retarget teleop",
            "retarget teleop session.npz --user user.toml --out commands.hdf5",
            "retarget teleop --source websocket --port 9870 --seconds 600",
        ),
    ),
    (
        run,
        "A policy's actions to joint commands, simulated.",
        (
            "retarget run demo.hdf5",
            "retarget run demo.hdf5 --fast --drop 0.1 --nan 0.05 --delay 40ms",
            "retarget run actions.hdf5 --out commands.hdf5 --json run.json",
        ),
    ),
    (
        make_demo,
        "Generate a demonstration.",
        (
            "retarget make-demo demo.hdf5",
            "retarget make-demo demo.hdf5 --frames 600 --seed 3 --noise 0.01",
        ),
    ),
    (
        train_hand,
        "Train the hand networks.",
        (
            "retarget train-hand",
            "retarget train-hand --hands mano --calibration mano.toml --out mano.safetensors",
        ),
    ),
    (
        check_hand,
        "Measure the hand networks.",
        (
            "retarget check-hand",
            "retarget check-hand --weights hand_mlp.safetensors --samples 2000",
        ),
    ),
    (
        calibrate,
        "Fit a robot's hands to human hands.",
        (
            "retarget calibrate",
            "retarget calibrate --robot my_robot/ --hands mano --out my_robot/calibration.toml",
        ),
    ),
):
    app.command(short_help=_short_help, epilog=examples(*_examples))(unfolded(_command))
app.add_typer(mano.app, name="mano")
