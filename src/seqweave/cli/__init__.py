"""The command line: a thin caller of the package, one file for each verb; the only part that prints."""
