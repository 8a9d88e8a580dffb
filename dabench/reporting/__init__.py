"""From a matrix to something to read: terminal, Markdown, CSV, LaTeX, JSON, pictures."""
