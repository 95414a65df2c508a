"""Arrays in, arrays out: the kernels that more than one room needs."""
