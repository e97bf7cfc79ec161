"""The library: one function for each command, with the same names and defaults.

``import geoseg`` offers them all; nothing heavy is imported before the first call.
"""
