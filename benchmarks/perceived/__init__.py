"""``stopgap bench perceived``: every policy on the same turns."""
