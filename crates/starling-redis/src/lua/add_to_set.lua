-- Adds to a set. One step, so that no set is left without an expiry.
--
-- KEYS  set
-- ARGV  ms, members...

redis.call('SADD', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 0
