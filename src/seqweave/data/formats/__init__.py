"""What reads each format: `tables` (TSV and CSV; `quoted` puts cells in quotes together), `json_lines`,
`json_documents`, and `parallel` files; `records` is what they share, and `report` what a pass leaves.
"""
