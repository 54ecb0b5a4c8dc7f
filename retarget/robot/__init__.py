"""The robot alone: facts, kinematics, arm IK, collision, hand commands."""
