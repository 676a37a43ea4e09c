"""Analysis of study answers."""
