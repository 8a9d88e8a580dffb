"""Print and write results: tables, the HTML page, images and citations."""
