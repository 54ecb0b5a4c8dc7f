"""A person's hands live to a robot's joints."""

from retarget.live.teleop import Teleop

__all__ = ["Teleop"]
