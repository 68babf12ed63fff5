"""``stopgap tune``: search, then judge on turns that were not searched on."""
