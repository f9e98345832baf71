"""Search: from a model to hypotheses, and from hypotheses to text."""
