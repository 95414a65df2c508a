"""The pages of a study: facts, numbers, sections and the area's page itself."""
