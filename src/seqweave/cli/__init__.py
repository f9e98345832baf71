"""The command line: a thin caller of the package, one file a verb; the only part that prints."""
