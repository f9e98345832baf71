"""What ails a run, and the one remedy: each illness is one function from a `Patient` to a `Finding` or None."""
