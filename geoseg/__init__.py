"""geoseg: extract building footprints from georeferenced imagery."""

__version__ = "0.1.0"
