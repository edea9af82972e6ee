-- Takes a code away if it is still this one.
--
-- KEYS  code
-- ARGV  digest
-- Returns 1 if it was, 0 if not.

if redis.call('HGET', KEYS[1], 'digest') == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
