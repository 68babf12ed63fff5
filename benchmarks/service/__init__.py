"""``stopgap bench service``: the conversation service under load."""
