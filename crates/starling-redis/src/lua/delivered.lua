-- The user has everything up to the mark: moves what is noted behind it, or removes it at the head.
--
-- KEYS  queue
-- ARGV  conversation, mark, mark + 1, head

local queue, conversation = KEYS[1], ARGV[1]

local noted = tonumber(redis.call('HGET', queue, conversation))
-- What is noted beyond the mark was not sent: it stays, even if the caller's head is older than it.
if noted and noted <= tonumber(ARGV[2]) then
  if tonumber(ARGV[2]) >= tonumber(ARGV[4]) then
    redis.call('HDEL', queue, conversation)
  else
    redis.call('HSET', queue, conversation, ARGV[3])
  end
end
return 0
