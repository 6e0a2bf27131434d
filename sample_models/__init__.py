"""Small trained encoders, the images they saw, and the scripts that make both."""
