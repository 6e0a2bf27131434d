"""Every threshold behind a finding, with who says so: one place, a file a section, so that a reader can disagree."""
