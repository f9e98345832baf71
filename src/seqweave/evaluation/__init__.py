"""Evaluation: metrics with intervals, comparison of two systems, and their tables."""
