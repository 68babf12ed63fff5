"""``stopgap tune listen``: blinded comparisons for ears."""
