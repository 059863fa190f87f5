"""From a step to a plan: trace, fission, structure."""
