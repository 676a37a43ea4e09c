"""Claims of the five papers beside what this program finds, each with a verdict, a reason and a command."""
