"""What goes where, as values."""
