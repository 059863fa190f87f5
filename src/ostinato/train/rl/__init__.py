"""Learning to act: a policy with a memory, and the algorithms that train it."""
