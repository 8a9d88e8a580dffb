"""Print and write results: tables, the HTML page, pictures and citations."""
