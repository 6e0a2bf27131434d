"""Embedding dumps: one file per format; sniff, read, write."""
