"""What rules say of readings, as arrays, and what they remember of devices."""
