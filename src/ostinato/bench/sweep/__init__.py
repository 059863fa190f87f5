"""Tables over many sizes, measured within a budget and taken up where they stopped."""
