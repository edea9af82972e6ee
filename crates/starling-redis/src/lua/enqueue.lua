-- Notes the first entry of a conversation that a user has not been sent, where nothing is noted yet and there
-- is room.
--
-- KEYS  queue
-- ARGV  conversation, seq, most conversations, queue ms
-- Returns 1 if something is noted for the conversation now, 0 if there was no room.

local queue = KEYS[1]

if redis.call('HEXISTS', queue, ARGV[1]) == 0 then
  if redis.call('HLEN', queue) >= tonumber(ARGV[3]) then
    return 0
  end
  redis.call('HSET', queue, ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', queue, ARGV[4])
return 1
