"""The sections of an area's page, one file each: `build(view) -> Section`."""
