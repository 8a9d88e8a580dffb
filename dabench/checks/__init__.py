"""Contract checks of plugins (`dabench check`) and templates (`dabench new`)."""
