// Chat Service's own example for Node.js; only the address, the token and the end are ours.

const io = require('socket.io-client');

const socket = io(process.env.URL, { auth: { token: process.env.TOKEN ?? 'user-123' } });

socket.on('connect', () => {
  console.log('Connected');
  
  // Authenticate
  socket.emit('authenticate', {
    userId: 'user-123',
    username: 'john_doe'
  });
  
  // Join room
  socket.emit('join_room', { roomId: process.env.ROOM ?? 'room-snippet' });
});

// Listen for messages
socket.on('new_message', (data) => {
  console.log('Message:', data);
});

// Send message
socket.emit('send_message', {
  roomId: process.env.ROOM ?? 'room-snippet',
  message: 'Test message'
});

// Ours: the message is sent before the room is joined; whether it is stored by then or a moment later, it is told of.
const seen = (data) => {
  if (data.message === 'Test message' && data.username === 'john_doe') {
    console.log('ok');
    socket.close();
  }
};
socket.on('message_history', (messages) => messages.forEach(seen));
socket.on('new_message', seen);
setTimeout(() => process.exit(1), 10_000).unref();
