"""What sources send and take: the shapes of each kind, and their way into the domain."""
