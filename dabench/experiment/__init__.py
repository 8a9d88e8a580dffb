"""Turn a sweep file into a plan: configuration, validation, search, runs, access."""
