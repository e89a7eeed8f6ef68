"""Simulated Modbus devices: servers that behave like the catalogue's models, and misbehave on demand.

What a register holds is worked out here from the words of the format (devices/register_map.py) alone, with arithmetic
of its own: a mistake in the decoder or the planner cannot hide behind the same mistake in the simulator.
"""
