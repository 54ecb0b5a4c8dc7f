"""Training data of a demonstration: chunks of 30 future steps of 48 numbers, labels of 46."""

from retarget import Retargeter, make_demo
from retarget.actions import action_from_motion, make_chunks, make_label, pack, pack_label

demo, rt = make_demo(task="pour"), Retargeter("h1_inspire")
human = rt.to_human(demo)
camera = rt.robot.camera("main")

action = action_from_motion(human, camera.T_camera_world)  # human wrists in the camera's frame
chunks = pack(make_chunks(action, 30))  # (T, 30, 48): the chunk of frame t holds t+1 ... t+30
labels = pack_label(make_label(action, camera))  # (T, 46): what EgoVLA's label holds

print(f"chunks {chunks.shape}, labels {labels.shape}")
print(f"fit residual {1e3 * human.residual.mean():.2f} mm (mean)")
distance = action.translation[..., 2]
print(f"wrists {distance.min():.2f} to {distance.max():.2f} m ahead of the camera")
seen = labels[:, :4]  # where the camera sees the wrists, as fractions of its image
print(f"wrists within the image in {100 * ((seen > 0) & (seen < 1)).all(axis=1).mean():.0f} %")
