"""Recordings of people's hands: the files of trackers and data sets, read into one value."""
