-- Puts conversations into the queue of a sink, due at once. One that is there stays as it is; one that somebody has
-- taken is marked, so that it is due again when it is given back.
--
-- KEYS  events, taken
-- ARGV  most conversations, life ms, conversations...

local events, taken = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local room = tonumber(ARGV[1]) - redis.call('ZCARD', events)

for i = 3, #ARGV do
  if redis.call('ZSCORE', events, ARGV[i]) then
    local claim = redis.call('HGET', taken, ARGV[i])
    if claim and string.sub(claim, -1) ~= '+' then
      redis.call('HSET', taken, ARGV[i], claim .. '+')
    end
  elseif room > 0 then
    -- A claim without a place is what the loss of the other key has left.
    redis.call('HDEL', taken, ARGV[i])
    redis.call('ZADD', events, string.format('%.0f', now), ARGV[i])
    room = room - 1
  end
end
redis.call('PEXPIRE', events, ARGV[2])
redis.call('PEXPIRE', taken, ARGV[2])
return 1
