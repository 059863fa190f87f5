"""Performance as ratios against a named peer, measured in one run after both sides agreed."""
