"""The contract that a plugin keeps to, as rules that explain themselves: what `dabench check` runs."""
