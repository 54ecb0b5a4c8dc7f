"""People's hands -> robot hands: KeypointFitter and HandMap, dex-retargeting beside them.

python -m benchmarks.people [--frames FILE.npy] [--side right] [--check] [--json OUT] [--seed N]

FILE.npy holds one user's keypoints (N, 21, 3) [m] in MediaPipe's order; without it the real frames
beside the project are taken where they are there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import timing
from benchmarks.bench import Bench, parser, run
from benchmarks.peers import missing
from benchmarks.synthetic_people import person
from retarget import HandMap, KeypointFitter, User, calibrate_user
from retarget.core.files import write_text
from retarget.core.geometry import rotation_angle, rotation_from_rotvec
from retarget.core.types import FINGERS, FloatArray, side_index
from retarget.human.hand_model import MIRROR
from retarget.human.keypoints import tip_gaps
from retarget.mapping.hand_map import person_tips
from retarget.mapping.live_hands import LiveHands

KINDS = ("dexpilot", "vector", "position")
NEAR, FAR = 0.015, 0.040  # [m] between two tips: a pinch, and none
MOST_FRAMES = 4_000  # of a recording, for the peers and for us
LIVE = 300
_REAL = Path(__file__).resolve().parents[2] / "shared" / "human" / "right_hand_keypoints.npz"


def people(bench: Bench) -> None:
    """The tables and the figures of the bounds."""
    measured(bench)


def measured(bench: Bench) -> dict[str, Any]:
    """The same, and all results as a tree."""
    results: dict[str, Any] = {}
    frames = _frames(bench)
    if frames is not None:
        side = side_index(getattr(bench.options, "side", "right"))
        results |= _recording(bench, frames, side)
    fits, laws, pinches = _fits(bench), _laws(bench), _pinches(bench)
    results["synthetic"] = {**fits, **laws, **pinches}
    figures = bench.report.figures
    figures |= {f"people_{key}": value for key, value in _flat({**fits, **laws})}
    figures |= {f"people_synthetic_{key}": value for key, value in _flat(pinches)}
    figures |= _against(pinches, "people_synthetic")
    return results


def _against(results: dict[str, Any], above: str) -> dict[str, float]:
    """Our gaps over the least that the hand can make, and our figures over DexPilot's."""
    ours, figures = results["ours"], {}
    for finger, found in ours["pinch"].items():
        if found["p50_mm"] is not None:
            figures[f"{above}_{finger}_over_least_mm"] = found["p50_mm"] - found["floor_mm"]
    if "dexpilot" in results:
        pilot = results["dexpilot"]
        for key, one, other in (
            ("index_p90", ours["pinch"]["index"]["p90_mm"], pilot["pinch"]["index"]["p90_mm"]),
            ("false", ours["false_frames"], pilot["false_frames"]),
        ):
            if one is not None and other:
                figures[f"{above}_{key}_over_dexpilot"] = one / other
    return figures


def _frames(bench: Bench) -> FloatArray | None:
    given = getattr(bench.options, "frames", None)
    if given is None and not _REAL.is_file():
        bench.report.notes.append("No recorded people: synthetic ones alone.")
        return None
    found = np.load(_REAL)["keypoints"] if given is None else np.load(given, allow_pickle=False)
    frames = np.asarray(found, dtype=np.float64)
    if frames.ndim != 3 or frames.shape[1:] != (21, 3):
        raise SystemExit(f"--frames: must hold (N, 21, 3), got {frames.shape}")
    return frames[:: -(-len(frames) // MOST_FRAMES)]


def _recording(bench: Bench, frames: FloatArray, side: int) -> dict[str, Any]:
    """Residuals, maps and speeds on one user's frames."""
    bench.say(f"a user of {len(frames)} frames")
    user = calibrate_user(frames, side=side)
    residual = KeypointFitter(side, user, components=45).fit(frames).residual[:, side]
    residual = 1e3 * residual[np.isfinite(residual)]
    hand_map = HandMap(bench.robot, user)
    tips = _tips(bench, frames, side, user)
    results: dict[str, Any] = {
        "frames": len(frames),
        "residual_mm": {"p50": _percentile(residual, 50), "p99": _percentile(residual, 99)},
    }
    middle, most = (results["residual_mm"][key] for key in ("p50", "p99"))
    rows = []
    for name, joints in _maps(bench, hand_map, tips, side).items():
        found = _judged(hand_map, tips[:, side], joints, side)
        results[name] = found
        rows.append((name, *_cells(found)))
    results["speed"] = _speed(bench, hand_map, frames, tips, side)
    bench.report.table(
        "People's fingertips -> joints of the robot's hand",
        {
            "map": "{}",
            **{f"{finger}: n, gap p50 / p90 mm": "{} {} / {}" for finger in FINGERS[1:]},
            "false frames %": "{:.2f}",
            "direction p50 / p90 deg": "{:.1f} / {:.1f}",
            "beyond limits": "{}",
        },
        rows,
        f"{len(frames)} frames of one hand; residual of 45 components "
        f"{middle:.2f} mm median, {most:.2f} mm p99. "
        "Gap: the robot's tips where the "
        f"person's are nearer than {1e3 * NEAR:g} mm; false: the robot's are, the person's beyond "
        f"{1e3 * FAR:g} mm. All maps get the same vectors at the same scale, frame after frame.",
    )
    figures = bench.report.figures
    figures |= {f"people_{key}": value for key, value in _flat(results)}
    figures |= _against(results, "people")
    return results


def _tips(bench: Bench, frames: FloatArray, side: int, user: User) -> FloatArray:
    """Vectors (N, 2, 5, 3) of the seen tips from the fitted wrists; the other hand is missing."""
    motion = KeypointFitter(side, user).fit(frames)
    both = np.full((len(frames), 2, 21, 3), np.nan)
    both[:, side] = frames
    return person_tips(both, motion.T_world_mano, bench.robot)


def _maps(bench: Bench, hand_map: HandMap, tips: FloatArray, side: int) -> dict[str, FloatArray]:
    """Active joints (N, m) by each method."""
    found = {"ours": hand_map.joints(tips).active[:, side]}
    for kind in KINDS:
        peer = _peer(bench, hand_map, kind, side)
        if peer is not None:
            bench.say(peer.name)
            given = tips[:, side] * (_scale(hand_map, side) if kind == "position" else 1.0)
            found[kind] = peer.joints(given)
    return found


def _peer(bench: Bench, hand_map: HandMap, kind: str, side: int) -> Any:
    gone = missing("dex_retargeting.retargeting_config")
    if gone:
        note = f"dex-retargeting is left out: {gone}."
        if note not in bench.report.notes:
            bench.report.notes.append(note)
        return None
    from benchmarks.peers.dex_hand import DexHand

    return DexHand(bench.robot, side, kind, bench.folder, _scale(hand_map, side))


def _scale(hand_map: HandMap, side: int) -> float:
    return hand_map.settings.scale * hand_map.sizes[side]


def _judged(hand_map: HandMap, tips: FloatArray, joints: FloatArray, side: int) -> dict[str, Any]:
    """Gaps, false pinches, directions and limits of joints (N, m) for tips (N, 5, 3)."""
    robot = hand_map.robot
    there = robot.hand_tips(side, joints)
    floors = 1e3 * hand_map.smallest_gaps()[side]
    theirs, ours = (tip_gaps(x) for x in (tips, there))
    pinch = {}
    for k, finger in enumerate(FINGERS[1:]):
        gaps = 1e3 * ours[theirs[:, k] < NEAR, k]
        pinch[finger] = {
            "n": len(gaps),
            "p50_mm": _percentile(gaps, 50),
            "p90_mm": _percentile(gaps, 90),
            "floor_mm": float(floors[k]),
        }
    lengths = np.linalg.norm(there, axis=-1) * np.linalg.norm(tips, axis=-1)
    cosine = np.sum(there * tips, axis=-1) / lengths
    direction = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    direction = direction[np.isfinite(direction)]
    lower, upper = robot.hand_limits(side)
    return {
        "pinch": pinch,
        "false_frames": float(((ours < NEAR) & (theirs > FAR)).any(axis=1).mean()),
        "direction_deg": {"p50": _percentile(direction, 50), "p90": _percentile(direction, 90)},
        "beyond_limits": int(((joints < lower - 1e-9) | (joints > upper + 1e-9)).sum()),
    }


def _speed(
    bench: Bench, hand_map: HandMap, frames: FloatArray, tips: FloatArray, side: int
) -> dict[str, float]:
    """How many times as fast as DexPilot; calls of both are taken in turns."""
    peer = _peer(bench, hand_map, "dexpilot", side)
    if peer is None:
        return {}
    bench.say("speeds")
    live = LiveHands(bench.robot, hand_map.user)
    mirrored = frames * MIRROR
    both = np.stack([frames, mirrored] if side == 0 else [mirrored, frames], axis=1)

    pilot, single, steps, batch = [], [], [], []
    for start in range(0, min(LIVE, len(frames)), timing.BLOCK):
        rows = slice(start, start + timing.BLOCK)
        pilot += timing.clocked(peer.call, tips[rows, side])
        single += timing.clocked(hand_map.joints, tips[rows])
        steps += timing.clocked(live.step, both[rows])
        batch += [value / len(tips) for value in timing.clocked(hand_map.joints, [tips])]
    one = float(np.median(pilot))
    return {
        "map_batch_over_dexpilot": one / float(np.median(batch)),
        "map_call_over_dexpilot": one / float(np.median(single)),
        "live_step_over_dexpilot": one / float(np.median(steps)),
    }


def _fits(bench: Bench) -> dict[str, float]:
    """Errors of the fit on people whose truth is known, the worst of three people."""
    bench.say("synthetic people")
    rng = np.random.default_rng([bench.seed, 1])
    found: dict[str, list[float]] = {}
    for _ in range(3):
        truth = person(300, rng)
        clean = KeypointFitter(user=calibrate_user(truth.keypoints), components=45)
        residual = clean.fit(truth.keypoints).residual
        found.setdefault("clean_p99_mm", []).append(1e3 * _percentile(residual, 99))
        seen = truth.keypoints + rng.normal(scale=0.002, size=truth.keypoints.shape)
        fitter = KeypointFitter(user=calibrate_user(seen))
        motion = fitter.fit(seen)
        assert motion.hand_pose is not None
        joints = rotation_angle(
            rotation_from_rotvec(motion.hand_pose), rotation_from_rotvec(truth.pose)
        )
        wrists = rotation_angle(motion.T_world_mano[..., :3, :3], truth.rotation)
        found.setdefault("joints_deg", []).append(float(np.degrees(np.median(joints))))
        found.setdefault("wrist_deg", []).append(float(np.degrees(np.median(wrists))))
        for hand in seen.reshape(-1, 21, 3):
            hand[rng.choice(21, 5, replace=False)] = np.nan
        off = np.linalg.norm(fitter.keypoints(fitter.fit(seen)) - truth.keypoints, axis=-1)
        found.setdefault("missing_p50_mm", []).append(1e3 * _percentile(off, 50))
    return {key: max(values) for key, values in found.items()}


def _laws(bench: Bench) -> dict[str, float]:
    """How far the laws are missed."""
    rng = np.random.default_rng([bench.seed, 2])
    truth = person(200, rng)
    seen = truth.keypoints + rng.normal(scale=0.002, size=truth.keypoints.shape)
    user = calibrate_user(seen)
    fitter, hand_map = KeypointFitter(user=user), HandMap(bench.robot, user)
    motion = fitter.fit(seen)

    def off(pca: FloatArray, other: FloatArray) -> float:
        return float(np.abs((pca - other) / fitter.sigma).max())

    R, t = rotation_from_rotvec(rng.normal(size=3)), rng.normal(size=3)
    mirror = fitter.fit(seen[:, ::-1] * MIRROR).pca[:, ::-1]
    loop = np.stack([fitter.fit(frame).pca for frame in seen])
    fit_way, tips = _small(rng, seen.shape), person_tips(seen, motion.T_world_mano, bench.robot)
    near, map_way = _near(tips, rng), _small(rng, tips.shape)
    active = hand_map.joints(near).active
    moved = hand_map.joints(near + map_way).active
    ramp = np.concatenate([np.linspace(0.070, 0.004, 2000), np.linspace(0.004, 0.070, 2000)])
    way = near[0, :, 1] - near[0, :, 0]
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    path = np.repeat(near[:1], len(ramp), axis=0)
    path[:, :, 1] = path[:, :, 0] + ramp[:, None, None] * way
    q = hand_map.joints(path).active
    backwards = hand_map.joints(tips[::-1]).active[::-1]
    return {
        "mirror_sigma": off(motion.pca, mirror),
        "rigid_sigma": off(motion.pca, fitter.fit(seen @ R.T + t).pca),
        "loop_sigma": off(motion.pca, loop),
        "fit_sigma_per_mm": off(fitter.fit(seen + fit_way).pca, motion.pca) / 0.01,
        "map_rad_per_mm": float(np.abs(moved - active).max()) / 0.01,
        "hysteresis_rad": float(np.abs(q[:2000] - q[2000:][::-1]).max()),
        "backwards_rad": float(np.abs(backwards - hand_map.joints(tips).active).max()),
    }


def _small(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Vectors of 0.01 mm."""
    way = rng.normal(size=shape)
    return np.asarray(1e-5 * way / np.linalg.norm(way, axis=-1, keepdims=True))


def _near(tips: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Tips (N, 2, 5, 3), in half of which one finger is on its way to the thumb or there."""
    out = tips.copy()
    for k in range(0, len(tips), 2):
        finger = 1 + k // 2 % 4
        way = out[k, :, finger] - out[k, :, 0]
        way /= np.linalg.norm(way, axis=-1, keepdims=True)
        out[k, :, finger] = out[k, :, 0] + rng.uniform(0.004, 0.06) * way
    return out


def _pinches(bench: Bench) -> dict[str, Any]:
    """What becomes of pinches of people who do not exist, right hands."""
    rng = np.random.default_rng([bench.seed, 3])
    truth = person(500, rng, pinching=True)
    frames = truth.keypoints[:, 1] + rng.normal(scale=0.0005, size=truth.keypoints[:, 1].shape)
    user = calibrate_user(frames, side=1)
    hand_map, tips = HandMap(bench.robot, user), _tips(bench, frames, 1, user)
    return {
        name: _judged(hand_map, tips[:, 1], joints, 1)
        for name, joints in _maps(bench, hand_map, tips, 1).items()
    }


def _percentile(values: FloatArray, share: float) -> float | None:
    return float(np.percentile(values, share)) if np.size(values) else None


def _cells(found: dict[str, Any]) -> tuple[Any, ...]:
    pairs = []
    for finger in found["pinch"].values():
        gaps = (
            "-" if finger[key] is None else f"{finger[key]:.1f}" for key in ("p50_mm", "p90_mm")
        )
        pairs.append((finger["n"], *gaps))
    direction = found["direction_deg"]
    return (
        *pairs,
        100 * found["false_frames"],
        (direction["p50"], direction["p90"]),
        found["beyond_limits"],
    )


def _flat(tree: dict[str, Any], above: str = "") -> list[tuple[str, float]]:
    """The numbers of a tree by their joined names."""
    out: list[tuple[str, float]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            out += _flat(value, f"{above}{key}_")
        elif value is not None:
            out.append((f"{above}{key}", float(value)))
    return out


def main() -> int:
    """Run this part alone; its JSON is the tree of results."""
    options = parser(__doc__)
    options.add_argument("--frames", type=Path, help="one user's keypoints (N, 21, 3) [m], .npy")
    options.add_argument("--side", choices=("left", "right"), default="right")
    given = options.parse_args()
    out, given.json = given.json, None
    kept: dict[str, Any] = {}

    def part(bench: Bench) -> None:
        kept.update(measured(bench))

    code = run(given, {"people": part})
    if out:
        write_text(out, json.dumps(kept, indent=2) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
