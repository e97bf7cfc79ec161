"""Streams over the windows of a scene."""
