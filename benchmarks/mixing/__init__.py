"""``stopgap bench mixing``: how many sessions a core carries."""
