"""Generated code for the core of any step."""
