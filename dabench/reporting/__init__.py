"""Numbers as tables, pages, pictures and citations."""
