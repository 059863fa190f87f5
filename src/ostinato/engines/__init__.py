"""How a recurrence is evaluated: one file or folder per engine; `all` registers them."""
