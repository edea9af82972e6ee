-- Publishes to every node of a set but one.
--
-- KEYS  route, or nodes
-- ARGV  payload, own incarnation

for _, incarnation in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if incarnation ~= ARGV[2] then
    redis.call('PUBLISH', 'node:{' .. incarnation .. '}', ARGV[1])
  end
end
return 0
