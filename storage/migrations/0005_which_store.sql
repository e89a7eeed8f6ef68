-- The engine's time of the cycle the cursor stands at, in microseconds since 1970 UTC: by it a store is known for the one
-- that was followed so far. NULL: not known.
ALTER TABLE follower_cursor ADD COLUMN cycle_now bigint;
