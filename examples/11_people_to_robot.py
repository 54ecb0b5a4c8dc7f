"""A person's hands, recorded as EgoDex does, to a robot and to chunks a policy trains on."""

import tempfile
from pathlib import Path

from retarget import Retargeter, Robot, load_actions
from retarget.data.convert import to_actions
from retarget.data.generate.people import make_people_file
from retarget.data.people.convert import PeopleOptions, people_to_human
from retarget.data.people.inspection import inspect_people
from retarget.human.hand_model import load_hands
from retarget.replay.people_to_demo import PeopleMapping, people_to_demo

folder, hands = Path(tempfile.mkdtemp()), load_hands()
make_people_file(folder / "session.hdf5", seconds=8.0)  # in the place of your own

found = inspect_people(folder / "session.hdf5", hands)
print(f"{len(found.findings)} findings; reach {1e3 * found.hands[1].reach:.0f} mm")
human = folder / "human.hdf5"
people_to_human(folder / "session.hdf5", human, PeopleOptions(hands=hands))

# the robot: its fingers pinch where the person's do, its arms follow the wrists
mapping = PeopleMapping(Robot.load("h1_inspire"), hands)
replay = people_to_demo(human, folder / "robot.hdf5", mapping)  # retarget view shows it
for side, hand in zip(("left", "right"), replay.hands, strict=True):
    pinch = hand.pinches[0]  # of thumb and index finger
    gaps = f"{1e3 * pinch.human_p50_m:.1f} mm, the robot's {1e3 * pinch.robot_p50_m:.1f} mm"
    print(f"{side}: {pinch.frames} frames of pinches, the person's tips at {gaps}")
print("valid" if replay.passed else f"not valid: {replay.reasons[0].text}")

# what a policy trains on: the chunk of a frame in the frame of the camera on the head, then
to_actions(human, folder / "chunks.hdf5", Retargeter(), own_camera=True, horizon=30)
chunks, info = load_actions(folder / "chunks.hdf5")
ahead = chunks.translation[..., 2]
print(f"chunks {chunks.shape}, wrists {ahead.min():.2f} to {ahead.max():.2f} m ahead of the camera")
