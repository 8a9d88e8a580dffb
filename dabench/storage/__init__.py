"""Files on disk: paths, atomic writes, remote folders, record types, the store of a sweep."""
