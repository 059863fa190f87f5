"""One file per published system, composed from cells, wrappers and layers."""
