"""What operators do, against a small context. Useful alone."""
