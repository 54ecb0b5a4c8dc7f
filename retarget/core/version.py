"""The version of this library, as its files and reports say it."""

VERSION = "0.1.0"
