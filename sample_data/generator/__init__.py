"""A procedural painter of aerial scenes: streets and plots, buildings, ground, trees, light and
sensor.

Everything is laid out in metres, x to the right and y down from the scene's upper left corner, and
drawn object by object.
"""
