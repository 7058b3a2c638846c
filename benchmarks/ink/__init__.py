"""From the pen on the screen to the line on it, in a browser."""
