"""What a recurrence does, measured."""
