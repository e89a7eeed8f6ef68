"""Pure decisions: arrays in, alarms and wanted positions out. No clock, no I/O."""
