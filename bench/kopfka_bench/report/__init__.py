"""What figures become: a table in the terminal, Markdown, charts as SVG, JSON."""
