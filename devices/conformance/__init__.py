"""Does a device model do what its class must? Requirements as data, evidence as counts, verdicts with bounds; pure."""
