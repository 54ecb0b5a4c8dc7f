"""Arm inverse kinematics: `ArmIK`, its native engine and its reference."""
