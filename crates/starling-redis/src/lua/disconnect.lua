-- Removes a connection from a user's session map if it is still entered for that incarnation.
--
-- KEYS  user
-- ARGV  connection, incarnation

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
