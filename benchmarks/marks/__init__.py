"""``stopgap bench marks``: where clips may end, beside what synthesisers tell."""
