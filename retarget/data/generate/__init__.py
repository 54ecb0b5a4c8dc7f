"""Demonstrations made from nothing: tasks, grasps, minimum-jerk motion."""
