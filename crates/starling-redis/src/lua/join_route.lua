-- Puts a node on a conversation's route. One step, so that no route is left without an expiry.
--
-- KEYS  route
-- ARGV  incarnation, route ms

redis.call('SADD', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
