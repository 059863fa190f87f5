"""One file per task or data set."""
