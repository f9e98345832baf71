"""Looking inside a model: attention as a plot and in the terminal."""
