"""From a dataset plugin to batches on the device: prepared cache, splits, shots, views, augmentation, streams."""
