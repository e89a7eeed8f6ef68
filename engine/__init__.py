"""The cycle, the store, the door: what makes a reading durable and a decision real."""
