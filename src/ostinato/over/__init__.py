"""Where recurrence runs: over time (later depth, graphs and weights)."""
