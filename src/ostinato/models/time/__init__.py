"""Published systems that recur over time."""
