"""Review: reports, figures and summaries of recorded studies; nothing here trains."""
