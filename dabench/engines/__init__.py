"""What runs a plan's runs: `inline` in this process, `ray` on Ray Tune. Both call the same function for each run."""
