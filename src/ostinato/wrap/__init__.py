"""Wrappers and parametrisations that work with any cell."""
