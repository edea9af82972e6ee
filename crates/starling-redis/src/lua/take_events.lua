-- Takes conversations that are due out of the queue of a sink, for a while: then they are due again, unless they were
-- given back.
--
-- KEYS  events, taken
-- ARGV  claim, most conversations, for how many ms, life ms
-- Returns {how many are in the queue, conversations...}.

local events, taken = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local until_ms = string.format('%.0f', now + ARGV[3])

local due = redis.call('ZRANGEBYSCORE', events, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[2])
for _, conversation in ipairs(due) do
  redis.call('ZADD', events, until_ms, conversation)
  redis.call('HSET', taken, conversation, ARGV[1])
end
if #due > 0 then
  redis.call('PEXPIRE', events, ARGV[4])
  redis.call('PEXPIRE', taken, ARGV[4])
end
return { redis.call('ZCARD', events), unpack(due) }
