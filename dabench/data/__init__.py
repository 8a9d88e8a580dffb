"""Turn a dataset plugin into batches on the device: prepared cache, splits, shots, views, augmentation, streams."""
