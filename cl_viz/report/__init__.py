"""Results as files for other programs and other people."""

from cl_viz.report.json_document import as_document, as_text, write_document

__all__ = ["as_document", "as_text", "write_document"]
