"""What is wrong with a run, and the one remedy: each illness is a function from `RunRecord` to a `Finding` or None."""
