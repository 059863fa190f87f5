"""Triton kernels of the recurrence of a matrix state; `device` launches them.

chunkwise.py has the equations. The n updates of a step are n rows, of which the first decays and
the last reads; a chunk is C rows.
"""
