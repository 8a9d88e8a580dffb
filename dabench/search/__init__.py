"""A search for hyper-parameters: what is tried for each task (space, proposals), what is chosen (choice), and what then runs."""
