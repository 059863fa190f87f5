"""What a recurrence is: cell, state, sequence, scan."""
