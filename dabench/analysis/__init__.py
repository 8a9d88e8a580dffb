"""From stored predictions to numbers: metrics, intervals, matrix, comparisons."""
