"""Use the networks of a results folder: predict images, write networks for other programs, and score other networks."""
