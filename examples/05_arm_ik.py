"""An arm follows wrist poses; where one is out of reach, its status says so.

The recorded poses are reached to rounding. Then the same path, moved ahead by 20 cm, leaves the
arm's reach: the joints found are the nearest there are, with their distance.
"""

import numpy as np

from retarget import ArmIK, Status, make_demo

demo = make_demo()
arm = ArmIK("h1_inspire", "left")
wanted = demo.T_world_wrist[:, 0]  # (T, 4, 4) in the world frame [m]


def report(name: str, poses: np.ndarray) -> None:
    """Solve a path, each frame from the one before, and print what came of it."""
    found = arm.solve_trajectory(poses)
    counts = {Status(s).label: int((found.status == s).sum()) for s in np.unique(found.status)}
    reached = arm.forward(found.q)[:, :3, 3]
    distance = np.linalg.norm(reached - poses[:, :3, 3], axis=-1)
    print(f"{name}: {counts}, wrist off by at most {1e3 * distance.max():.3g} mm")


report("as recorded", wanted)
ahead = wanted.copy()
ahead[:, 0, 3] += 0.20
report("moved ahead", ahead)
