"""A robot of your own is a folder: a URDF, a robot.toml, and a calibration that is found here.

This one is H1 with hands a fifth larger. Laid over the human hand, its scale comes out a fifth
larger too, and human hands fit it as closely. (Hand networks come next: `retarget train-hand`.)
"""

import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from retarget import MANOFitter, Robot, make_demo
from retarget.human.hand_model import load_hands
from retarget.mapping.calibration import calibrate

h1 = Robot.load("h1_inspire")
folder = Path(tempfile.mkdtemp())
urdf = ET.parse(h1.urdf_path)
for joint in urdf.iter("joint"):
    if joint.get("name", "").startswith(("L_", "R_")):  # finger joints and fingertips
        origin = joint.find("origin")
        origin.set("xyz", " ".join(str(1.2 * float(x)) for x in origin.get("xyz").split()))
urdf.write(folder / "large_hands.urdf")
facts = (h1.path / "robot.toml").read_text("utf-8").replace('"h1_inspire', '"large_hands')
(folder / "robot.toml").write_text(facts, "utf-8")

robot = Robot.load(folder)
found = calibrate(robot, load_hands(), samples=100)
print(robot)
print("a robot's hand over a human's:")
for name, pair in (("H1", MANOFitter(h1).calibrations), ("large hands", found)):
    print(f"{name}: left {pair[0].scale:.3f}, right {pair[1].scale:.3f}")
demo = make_demo(robot=robot, frames=100)
residual = MANOFitter(robot, calibrations=found).fit(demo.fingertips, demo.T_world_wrist).residual
print(f"fit residual {1e3 * residual.mean():.2f} mm (mean)")
