"""What a Saver asks for, what a checkpoint holds, and which of the one fills which of the other."""
