"""Models over graphs and grids, one file per published system."""
