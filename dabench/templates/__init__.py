"""The texts that `dabench new` writes, one module for each kind of plugin."""
