"""Arm inverse kinematics: `ArmIK`, the chain it solves and the native solver."""
