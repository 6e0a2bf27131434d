"""What the commands share: opening what a path names, showing findings and errors, progress, starting the app."""
