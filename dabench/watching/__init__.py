"""How a sweep is watched: progress in a terminal, lines for machines, TensorBoard, and the status that another process reads."""
