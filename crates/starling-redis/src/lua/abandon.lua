-- Gives a claim's lease, or its place among the waiters, back. The next one to poll takes the lease.
--
-- KEYS  lock, waiters, polls
-- ARGV  token

local lock, waiters, polls = KEYS[1], KEYS[2], KEYS[3]
local token = ARGV[1]

redis.call('ZREM', waiters, token)
redis.call('HDEL', polls, token)
if redis.call('GET', lock) == token then
  redis.call('DEL', lock)
end
return 0
