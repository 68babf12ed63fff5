"""``stopgap bench metrics``: evaluating, comparing and listing a million stored turns."""
