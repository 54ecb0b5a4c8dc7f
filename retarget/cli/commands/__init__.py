"""The commands of ``retarget``, one a file; heavy imports wait until a command runs."""
