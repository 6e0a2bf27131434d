"""Dense float64 definitions: what the numbers of the pages are held to."""
