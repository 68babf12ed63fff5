"""What follows when a behaviour was triggered: metrics, webhooks."""
