"""Figures for papers: drawn by matplotlib at the width of a column, one file for each fact."""
