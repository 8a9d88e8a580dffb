"""Compute results from stored predictions: metrics, intervals, matrix, comparisons."""
