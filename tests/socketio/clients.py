"""Python's client: both dialects, handlers with exactly the documented arguments."""

import os
import sys
import threading

import socketio

URL = os.environ["URL"]
TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
TRANSPORT = TRANSPORTS[os.environ.get("TRANSPORT", "websocket")]
ROOM = os.environ.get("ROOM", "python")


refusals = []


class Client:
    def __init__(self, user):
        self.told = {}
        self.changed = threading.Condition()
        self.socket = socketio.Client()
        for event in ["connected", "joined_room", "new_message", "message_sent", "user_typing", "user_joined",
                      "user_left", "message_history", "room_users", "messages", "error"]:
            # One argument and no more: a handler that is given another raises, and the test fails below.
            self.socket.on(event, lambda data, event=event: self.hear(event, data))
        self.socket.on("connect_error", lambda data: refusals.append(data["message"]))
        self.socket.connect(URL, auth={"token": user}, transports=TRANSPORT)

    def hear(self, event, data):
        with self.changed:
            self.told.setdefault(event, []).append(data)
            self.changed.notify_all()

    def next(self, event):
        with self.changed:
            if not self.changed.wait_for(lambda: self.told.get(event), timeout=10):
                raise AssertionError(f"{event} was not told; told: {sorted(self.told)}")
            return self.told[event].pop(0)


def main():
    ann, bob = Client("ann"), Client("bob")
    assert ann.next("connected")["userId"] == "ann"
    ann.socket.emit("join_room", {"roomId": ROOM, "userId": "ann"})
    assert ann.next("joined_room")["roomId"] == ROOM
    bob.socket.emit("join_room", {"roomId": ROOM})
    assert bob.next("message_history") == []
    assert bob.next("room_users") == ["ann", "bob"]
    assert ann.next("user_joined")["userId"] == "bob"
    ann.socket.emit("send_message", {"roomId": ROOM, "content": "Hello", "lamportTimestamp": 3, "idempotencyKey": "1"})
    assert ann.next("message_sent")["idempotencyKey"] == "1"
    for client in [ann, bob]:
        message = client.next("new_message")
        assert (message["senderId"], message["content"], message["sequenceNumber"]) == ("ann", "Hello", 1), message
    answer = bob.socket.call("send_message", {"roomId": ROOM, "message": "Hi"}, timeout=10)
    assert answer["success"] and answer["data"]["sequenceNumber"] == 2, answer
    assert ann.next("new_message")["message"] == "Hi"
    bob.socket.emit("typing", {"roomId": ROOM, "isTyping": True})
    assert ann.next("user_typing")["isTyping"] is True
    ann.socket.emit("get_messages", {"roomId": ROOM})
    assert [message["content"] for message in ann.next("messages")["messages"]] == ["Hello", "Hi"]
    bob.socket.emit("leave_room", {"roomId": ROOM})
    assert ann.next("user_left")["userId"] == "bob"
    try:
        Client("mallory")
        raise AssertionError("Mallory was let in")
    except socketio.exceptions.ConnectionError:
        assert len(refusals) == 1 and refusals[0].startswith("unauthenticated: "), refusals
    for client in [ann, bob]:
        client.socket.disconnect()
    print("ok")


failed = []
threading.excepthook = lambda args: failed.append(args.exc_value)
main()
sys.exit(f"a handler raised: {failed}" if failed else 0)
