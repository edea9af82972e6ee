-- Takes, keeps or claims a conversation's lease and reserves places; or queues the claim.
--
-- KEYS  lock, seq, waiters, polls
-- ARGV  token, want, lease ms, seq ms, ms after which a waiter that has not polled is forgotten
-- Returns {1, counter, head} as they were before (false where missing), or {0}.

local lock, seq, waiters, polls = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, want, lease_ms, seq_ms, forget_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local holder = redis.call('GET', lock)

if holder and holder ~= token then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  if not redis.call('ZSCORE', waiters, token) then
    -- A running number, not the clock, so that the order of arrival holds whatever the clock does.
    local last = redis.call('ZRANGE', waiters, -1, -1, 'WITHSCORES')
    redis.call('ZADD', waiters, (tonumber(last[2]) or 0) + 1, token)
  end
  redis.call('HSET', polls, token, string.format('%.0f', now))
  -- If nobody polls for that long, every waiter is stale, and so are the keys.
  redis.call('PEXPIRE', waiters, forget_ms)
  redis.call('PEXPIRE', polls, forget_ms)
  return { 0 }
end

redis.call('SET', lock, token, 'PX', lease_ms)
redis.call('ZREM', waiters, token)
redis.call('HDEL', polls, token)

local marks = redis.call('HMGET', seq, 'counter', 'head')
redis.call('HINCRBY', seq, 'counter', want)
if not marks[2] then
  -- Made just now, or never committed: whoever commits renews it.
  redis.call('PEXPIRE', seq, seq_ms)
end
return { 1, marks[1], marks[2] }
