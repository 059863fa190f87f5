"""One file per cell: its equation and citation stand on top."""
