"""Recurrences of a matrix state, S ← decay · S + write: many steps at once, as products."""
