"""``stopgap bench output``: output engines under load."""
