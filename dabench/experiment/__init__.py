"""From a sweep file to a plan: configuration, validation, search, runs, access."""
