-- Gives back conversations that were taken out of the queue of a sink. What another has taken meanwhile is left to him.
--
-- KEYS  events, taken
-- ARGV  claim, then for each: conversation, after how many ms it is due again (-1: it is done with, unless it was put
--       in again meanwhile)

local events, taken = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for i = 2, #ARGV, 2 do
  local conversation, after = ARGV[i], tonumber(ARGV[i + 1])
  local claim = redis.call('HGET', taken, conversation)
  local again = claim == ARGV[1] .. '+'
  if again or claim == ARGV[1] then
    redis.call('HDEL', taken, conversation)
    if after < 0 and not again then
      redis.call('ZREM', events, conversation)
    else
      redis.call('ZADD', events, string.format('%.0f', now + math.max(after, 0)), conversation)
    end
  end
end
return 1
