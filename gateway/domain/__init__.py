"""What the gateway speaks of, in pure Python: nothing here awaits."""
