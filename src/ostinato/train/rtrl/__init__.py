"""Learning forward in time: the derivative of the state in the parameters goes with the state."""
