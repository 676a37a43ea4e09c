"""Many runs from one file: plan, run in a pool of processes, resume, tell how far it is."""
