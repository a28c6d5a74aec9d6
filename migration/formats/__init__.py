"""File formats: bytes in, values out."""
