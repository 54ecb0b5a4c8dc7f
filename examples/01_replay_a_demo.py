"""A demonstration goes to human hands and back: what comes back is within 0.05 mm."""

import tempfile
from pathlib import Path

from retarget import Retargeter, load_demo, make_demo

path = Path(tempfile.mkdtemp()) / "demo.hdf5"
make_demo(path, seed=1)  # in place of a recording of yours

demo = load_demo(path)
rt = Retargeter("h1_inspire")
human = rt.to_human(demo)  # wrist poses and 15 coefficients a hand
robot = rt.to_robot(human, body=demo.qpos)  # joints again; legs and torso as they were
trip = rt.round_trip(demo)  # both at once, and measured

print(f"{demo.frames} frames; human hands {human.pca.shape}, robot joints {robot.qpos.shape}")
print(f"fingertips come back within {1e3 * trip.fingertip_error_m.mean():.4f} mm (mean)")
print(f"and {1e3 * trip.fingertip_error_m.max():.4f} mm (largest)")
print(f"wrists come back within {1e6 * trip.wrist_position_error_m.max():.6f} um")
print(f"frames whose labels jump: {trip.label_jump.sum()}")
