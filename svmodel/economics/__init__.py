"""What it cost, and what it would have to avert to pay for itself."""
