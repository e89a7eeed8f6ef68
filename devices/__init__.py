"""The ground: quantities, readings, models, codecs, topics and sites. No I/O."""
