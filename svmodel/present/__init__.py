"""Tables, plots, prose and disclosure control."""
