"""The commands, one file each. What is heavy is imported inside the command, so that --help answers at once."""
