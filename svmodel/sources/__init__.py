"""One file for each publisher's layout; each gives a tidy frame and a ledger."""
