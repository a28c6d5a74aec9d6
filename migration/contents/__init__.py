"""What is in a tensor: its bytes as a stream, what its values are like, how far two are apart."""
