"""Robot fingertips -> human hand: speed, accuracy and continuity beside the peers.

python -m benchmarks.hand [--check] [--json OUT]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.peers import missing, recipe
from benchmarks.targets import Targets
from retarget import MANOFitter
from retarget.core.types import SIDES, Calibration, FloatArray, IntArray

_RIGHT = 1
_JUMP_STEP, _JUMP = 1e-3, 0.05  # [rad], [standard deviations]
_MISS = 1e-3  # a fit whose fingertips are off by more, in the mean of five, has failed [m]
_NO_PRIOR = 1e-12  # [m^2]; the fit wants one above 0
_SCIPY_FRAMES = 100
_RANDOM_POSES = 20_000
_UNSCALED = Calibration(recipe.SCALE), Calibration(recipe.SCALE)  # the published relation
_ACCURACY = {
    "median mm": "{:.3f}",
    "mean / p99 / max mm": "{:.3f} / {:.2f} / {:.2f}",
    "> 1 mm": "{:.2f} %",
}

Row = tuple[Any, ...]


def fits(bench: Bench) -> None:
    """The tables of the fit, with the figures of the bounds."""
    _beside_peers(bench)
    _limits(bench)
    _scaling(bench)


def _beside_peers(bench: Bench) -> None:
    targets, figures = bench.targets, bench.report.figures
    speeds: dict[str, float] = {}
    medians: dict[str, float] = {}
    ours: list[tuple[str, str, str, Row]] = []
    for key, base, name, settings in _fits():
        bench.say(name)
        fitter = MANOFitter(targets.robot, **settings)
        speeds[key], spread = _batches(fitter, _human_tips(fitter, targets, _RIGHT))
        residual = _residual(fitter, targets)
        alike = residual[targets.frames :][_recipe_frames(targets).ravel()]
        medians[key] = float(np.median(alike))
        rest = (spread, *_accuracy(residual), *_jumps(fitter, targets))
        ours.append((key, base, name, rest))
    rows = [*_recipes(bench, speeds, medians), _scipy(bench)]  # torch's threads come last
    for key, base, name, rest in ours:
        over = speeds[key] / speeds[base] if base in speeds else None
        rows.append((name, speeds[key], over, *rest))
    bench.report.table(
        f"Robot fingertips -> human hand, one hand, batches of {recipe.BATCH}",
        {"fit": "{}", "frames/s": "{:,.0f}", "x recipe": "{:,.0f}", "spread": "{:.0f} %",
         **_ACCURACY, "jumps": "{:.2f} %", "largest change": "{:.3f}"},
        rows,
        f"Targets: {targets.source}. Errors at the robot's scale, mean of five fingertips: of the "
        f"recipe over {2 * recipe.BATCH} frames, of scipy over {_SCIPY_FRAMES}, else over all "
        "frames of both hands; the bounds compare medians over the recipe's frames. 'x recipe': "
        "over the recipe with as many components. Jumps: frames "
        f"in which moving the robot's joints by {_JUMP_STEP:g} rad moves a coefficient by more "
        f"than {_JUMP:g} standard deviations; beside it the largest change in standard deviations. "
        "'Recipe's cost': its targets (scale 1.5) and no prior; 'scale 1.5': its targets; the "
        "others: the calibrated hand. Spread: slowest over fastest of the repeats, less one. The "
        "recipe has all cores, or one where that is faster.",
    )  # fmt: skip
    # the published recipe has 6 components; the float32 fits are compared with as many as theirs
    for key, base, figure in (
        ("6f", "recipe6", "fit6"),
        ("15f", "recipe15", "fit15"),
        ("15", "recipe6", "fit_default"),
    ):
        if base in speeds:
            figures[f"{figure}_ratio"] = speeds[key] / speeds[base]
            figures[f"{figure}_median"] = medians[key] / medians[base]
    if "recipe15" in medians:
        figures["fit15_median"] = 1e6 * (medians["15f"] - medians["recipe15"])


def _fits() -> list[tuple[str, str, str, dict[str, Any]]]:
    """Key, recipe to compare with, name and settings of this library's rows."""
    same = {"calibrations": _UNSCALED}
    single = {"dtype": "float32"}
    alike = {**same, **single, "prior": _NO_PRIOR}
    six = {"components": 6, **alike}
    return [
        ("6f", "recipe6", "retarget, recipe's cost, 6 comp., float32", six),
        ("15f", "recipe15", "retarget, recipe's cost, 15 comp., float32", alike),
        ("15s", "recipe15", "retarget, scale 1.5, 15 comp.", same),
        ("15c", "recipe15", "retarget, 15 comp., float32", single),
        ("15", "recipe15", "retarget, default (15 comp., float64)", {}),
        ("15n", "recipe15", "retarget, engine numpy", {"engine": "numpy"}),
        ("15t", "recipe15", "retarget, torch on the CPU", {"engine": "torch"}),
    ]


def _accuracy(residual: FloatArray) -> Row:
    """The cells of `_ACCURACY` for mean distances of five fingertips (N,) [m]."""
    mm = 1e3 * residual
    errors = (mm.mean(), np.percentile(mm, 99), mm.max())
    return float(np.median(mm)), errors, _failed(residual)


def _failed(residual: FloatArray) -> float:
    """Share of fits that are off by more than `_MISS` [%]."""
    return 100 * float(np.mean(residual > _MISS))


def _human_tips(fitter: MANOFitter, targets: Targets, side: int) -> FloatArray:
    """(N, 5, 3) targets of one hand in its human model's frame [m]."""
    return fitter.frames[side].human_from_robot(targets.tips(side))


def _batches(fitter: MANOFitter, human: FloatArray) -> tuple[float, float]:
    """Frames a second over ten different batches, and the spread of the repeats."""
    size = recipe.BATCH
    batches = [human[k * size : (k + 1) * size] for k in range(min(10, len(human) // size))]
    spent = timing.measure(lambda: [fitter.fit_hand(_RIGHT, batch) for batch in batches])
    return size * len(batches) / spent.median, spent.spread


def _residual(fitter: MANOFitter, targets: Targets) -> FloatArray:
    """Mean distance of the fitted fingertips to the recorded ones, left then right (2 N,) [m]."""
    both = []
    for side in range(len(SIDES)):
        wanted = _human_tips(fitter, targets, side)
        both.append(_miss(fitter, side, fitter.fit_hand(side, wanted).pca, wanted))
    return np.concatenate(both)


def _miss(fitter: MANOFitter, side: int, pca: FloatArray, wanted: FloatArray) -> FloatArray:
    """Mean distance (N,) of the fingertips of coefficients to those wanted, robot scale [m]."""
    apart = np.linalg.norm(fitter.tips_of(side, pca) - wanted, axis=-1)
    return fitter.calibrations[side].scale * apart.mean(axis=-1)


def _jumps(fitter: MANOFitter, targets: Targets) -> tuple[float, float]:
    """Share of the frames that jump [%], and the largest change [standard deviations]."""
    changes = []
    for side in range(len(SIDES)):
        q = targets.active[:, :, side].reshape(-1, targets.active.shape[-1])
        here, there = (
            fitter.fit_hand(
                side, fitter.frames[side].human_from_robot(targets.robot.hand_tips(side, joints))
            ).pca
            for joints in (q, q + _JUMP_STEP)
        )
        changes.append(_change(fitter, side, here, there))
    change = np.concatenate(changes)
    return 100 * float(np.mean(change > _JUMP)), float(change.max())


def _change(fitter: MANOFitter, side: int, here: FloatArray, there: FloatArray) -> FloatArray:
    """Largest difference (N,) of any coefficient [standard deviations]."""
    sigma = fitter.hands[side].sigma[: here.shape[-1]]
    return np.asarray((np.abs(there - here) / sigma).max(axis=-1))


def _recipe_frames(targets: Targets) -> IntArray:
    """(2, batch) frames of the right hand that the recipe gets, and medians are compared on."""
    step = max(1, targets.frames // (2 * recipe.BATCH))
    frames = np.arange(targets.frames)
    return np.stack([frames[k::step][: recipe.BATCH] for k in (0, step // 2)])


def _recipes(bench: Bench, speeds: dict[str, float], medians: dict[str, float]) -> list[Row]:
    """Rows of the published recipe: the targets, the same moved by a thousandth, other targets."""
    gone = missing("torch", "smplx")
    if gone:
        bench.report.notes.append(f"The published recipe is left out: {gone}.")
        return []
    recipe.write_hands(bench.folder)
    targets = bench.targets
    same = MANOFitter(targets.robot, calibrations=_UNSCALED)
    joints = targets.active[:, :, _RIGHT].reshape(-1, targets.active.shape[-1])
    first, second = joints[_recipe_frames(targets)]
    rows: list[Row] = []
    for components in (6, 15):
        peer = recipe.Recipe(bench.folder, right=True, components=components)
        errors, found = [], []
        for number, q in enumerate((first, first + _JUMP_STEP, second)):
            bench.say(f"published recipe, {components} components, run {number + 1} of 3")
            wanted = same.frames[_RIGHT].human_from_robot(targets.robot.hand_tips(_RIGHT, q))
            pca, tips = peer.fit(wanted, bench.seed)
            found.append(pca)
            if number != 1:
                errors.append(recipe.SCALE * np.linalg.norm(tips - wanted, axis=-1).mean(axis=-1))
        spent = timing.of(peer.seconds)
        residual = np.concatenate(errors)
        change = _change(same, _RIGHT, found[0], found[1])
        key = f"recipe{components}"
        speeds[key], medians[key] = len(first) / spent.median, float(np.median(residual))
        name = f"published recipe, {components} comp. (Adam, 500 steps, {spent.repeats} runs)"
        share = 100 * float(np.mean(change > _JUMP))
        rows.append(
            (name, speeds[key], 1, spent.spread, *_accuracy(residual), share, change.max())
        )  # fmt: skip
    return rows


def _scipy(bench: Bench) -> Row:
    from benchmarks.peers.scipy_hand import ScipyHand

    bench.say(ScipyHand.name)
    fitter = MANOFitter(bench.robot)
    peer = ScipyHand(fitter.hands[_RIGHT], fitter.components, fitter.settings.prior)
    wanted = _human_tips(fitter, bench.targets, _RIGHT)
    wanted = wanted[:: max(1, len(wanted) // _SCIPY_FRAMES)][:_SCIPY_FRAMES]
    residual = _miss(fitter, _RIGHT, peer.fit(wanted), wanted)
    spent = timing.measure(lambda: peer.fit(wanted), warm_up=False)
    speed = len(wanted) / spent.median
    return (f"{peer.name}, 15 comp.", speed, None, spent.spread, *_accuracy(residual), None, None)


def _limits(bench: Bench) -> None:
    """Failures on targets that the hand can reach, and continuity, of the default fit."""
    bench.say("reachable targets and continuity")
    targets, fitter = bench.targets, MANOFitter(bench.robot)
    dice = np.random.default_rng(bench.seed)
    z = dice.normal(size=(len(SIDES), _RANDOM_POSES // 2, fitter.components)).clip(-2.0, 2.0)
    fitted, random = [], []
    for side, hand in enumerate(fitter.hands):
        real = fitter.fit_hand(side, _human_tips(fitter, targets, side)).pca
        for pca, misses in ((real, fitted), (z[side] * hand.sigma[: fitter.components], random)):
            tips = fitter.tips_of(side, pca)
            misses.append(_miss(fitter, side, fitter.fit_hand(side, tips).pca, tips))
    rows = []
    for name, misses in (("poses of the fits to the targets", fitted), ("random poses", random)):
        residual = np.concatenate(misses)
        rows.append((f"{name} ({len(residual):,})", *_accuracy(residual)))
    share, largest = _jumps(fitter, targets)
    bench.report.table(
        "Default fit on fingertips that the human hand reaches exactly",
        {"targets": "{}", **_ACCURACY},
        rows,
        f"Random poses: coefficients normal, cut at 2 standard deviations. Real frames that jump: "
        f"{share:.2f} %, largest change {largest:.3f} standard deviations.",
    )
    bench.report.figures["fit_failures"] = _failed(np.concatenate(fitted + random))
    bench.report.figures["fit_jumps"] = share


def _scaling(bench: Bench) -> None:
    """Frames a second of the default fit by batch size and threads."""
    columns: dict[str, dict[str, Any]] = {
        "default threads": {},
        **{f"threads={n}": {"threads": n} for n in timing.THREADS},
        **{f"float32, threads={n}": {"dtype": "float32", "threads": n} for n in timing.THREADS},
    }
    human = _human_tips(MANOFitter(bench.robot), bench.targets, _RIGHT)
    human = np.resize(human, (timing.SIZES[-1], *human.shape[1:]))
    rates = []
    for name, settings in columns.items():
        bench.say(f"fit by batch size, {name}")
        fitter = MANOFitter(bench.robot, **settings)
        rates.append(timing.rates(lambda size, f=fitter: lambda: f.fit_hand(_RIGHT, human[:size])))
    bench.report.table(
        "Default fit, frames/s by batch size",
        {"batch": "{:,}", **dict.fromkeys(columns, "{:,.0f}")},
        list(zip(timing.SIZES, *rates, strict=True)),
    )
    bench.report.figures["fit_growth"] = timing.growth(rates[0])


if __name__ == "__main__":
    sys.exit(run(parser(__doc__).parse_args(), {"hand": fits}))
