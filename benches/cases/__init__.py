"""The benchmarks, one file a subject: each has a function `measure` that adds its lines."""
