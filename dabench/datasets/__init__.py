"""First-party datasets, one file each. A new file with a Dataset class is found automatically."""
