"""Results as files for other programs and other people."""

from cl_viz.reporting.building import FORMATS, format_of, report, write_report
from cl_viz.reporting.changes import Change, Comparison, compare_documents, compare_entries, read_document
from cl_viz.reporting.ci import fails, github_annotations, junit_xml
from cl_viz.reporting.comparing import compare_found
from cl_viz.reporting.comparison_document import as_comparison
from cl_viz.reporting.html_document import html_text
from cl_viz.reporting.json_document import as_document, as_text, write_document
from cl_viz.reporting.tables import markdown_text, parquet_bytes, quantities_table
from cl_viz.reporting.writing import check_writable, write_whole

__all__ = [
    "FORMATS",
    "Change",
    "Comparison",
    "as_comparison",
    "as_document",
    "as_text",
    "check_writable",
    "compare_documents",
    "compare_entries",
    "compare_found",
    "fails",
    "format_of",
    "github_annotations",
    "html_text",
    "junit_xml",
    "markdown_text",
    "parquet_bytes",
    "quantities_table",
    "read_document",
    "report",
    "write_document",
    "write_report",
    "write_whole",
]
