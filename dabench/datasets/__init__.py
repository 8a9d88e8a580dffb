"""First-party datasets, one file each. A new file with a Dataset class in it is found at once; nothing else is edited."""
