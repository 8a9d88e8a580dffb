"""Texts of the files that `dabench new` writes."""
