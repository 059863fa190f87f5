"""Recurrences evaluated for all steps together."""
