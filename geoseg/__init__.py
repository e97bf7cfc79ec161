"""geoseg: buildings out of georeferenced imagery."""

__version__ = "0.1.0"
