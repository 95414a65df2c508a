"""What sections are made of: pieces that stand inside one, as blocks."""
