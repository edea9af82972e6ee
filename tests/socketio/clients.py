"""Python's client: all dialects, handlers with exactly the documented arguments."""

import json
import os
import sys
import threading

import socketio

URL = os.environ["URL"]
TRANSPORTS = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
TRANSPORT = TRANSPORTS[os.environ.get("TRANSPORT", "websocket")]
ROOM = os.environ.get("ROOM", "python")
TOKENS = json.loads(os.environ.get("TOKENS", "{}"))


refusals = []


EVENTS = ["connected", "joined_room", "new_message", "message_sent", "user_typing", "user_joined", "user_left",
          "message_history", "room_users", "messages", "error", "message-received", "message-edited",
          "message-deleted", "user-typing", "user-joined", "user-left", "message_updated", "conversation_updated"]


class Client:
    def __init__(self, user, namespace="/", patience=30):
        self.told = {}
        self.changed = threading.Condition()
        self.namespace = namespace
        self.socket = socketio.Client(request_timeout=30)
        for event in EVENTS:
            # One argument and no more: a handler that is given another raises, and the test fails below.
            self.socket.on(event, lambda data, event=event: self.hear(event, data), namespace=namespace)
        self.socket.on("connect_error", lambda data: refusals.append(data["message"]), namespace=namespace)
        self.socket.connect(URL, auth={"token": TOKENS.get(user, user)}, transports=TRANSPORT, namespaces=[namespace],
                            wait_timeout=patience)

    def ask(self, event, data):
        answer = self.socket.call(event, data, namespace=self.namespace, timeout=30)
        assert answer["success"], answer
        return answer.get("data")

    def hear(self, event, data):
        with self.changed:
            self.told.setdefault(event, []).append(data)
            self.changed.notify_all()

    def next(self, event):
        with self.changed:
            if not self.changed.wait_for(lambda: self.told.get(event), timeout=30):
                raise AssertionError(f"{event} was not told; told: {sorted(self.told)}")
            return self.told[event].pop(0)


def community():
    cleo, carl = Client("cleo", "/api/community/chat"), Client("carl", "/api/community/chat")
    for client in [cleo, carl]:
        client.ask("authenticate-user", {})
    sent = cleo.ask("send-message", {"message": "Hello from Python"})
    assert (sent["message"], sent["User"]["name"]) == ("Hello from Python", "cleo"), sent
    assert carl.next("message-received") == sent
    edited = cleo.ask("edit-message", {"messageId": sent["id"], "message": "Updated"})
    assert carl.next("message-edited") == edited
    deleted = cleo.ask("delete-message", {"messageId": sent["id"]})
    assert carl.next("message-deleted") == deleted and deleted["is_deleted"] is True
    carl.socket.emit("typing", {"isTyping": True}, namespace=carl.namespace)
    typing = cleo.next("user-typing")
    assert (typing["userId"], typing["isTyping"]) == ("carl", True), typing
    # Who goes on typing is told of once, by whichever connection: the next run begins anew.
    carl.socket.emit("typing", {"isTyping": False}, namespace=carl.namespace)
    assert cleo.next("user-typing")["isTyping"] is False
    assert carl.ask("load-messages", {"page": 1, "limit": 1})[0]["is_deleted"] is True
    for client in [cleo, carl]:
        client.socket.disconnect()


def chatter():
    # Strangers to one another each time.
    names = [f"chad-{ROOM}", f"cora-{ROOM}"]
    chad, cora = [Client(name, "/chatter") for name in names]
    assert [client.next("connected")["userId"] for client in [chad, cora]] == names
    # Carried out once what is said from now on is told live.
    for client in [chad, cora]:
        client.ask("sync", {"conversations": []})
    sent = chad.ask("send_message", {"receiverId": names[1], "message": "Hello from Python", "clientId": "py-1"})
    assert cora.next("conversation_updated")["conversationId"] == sent["conversationId"]
    assert cora.next("new_message") == sent
    held = {"conversationId": sent["conversationId"], "lastSequenceNumber": sent["sequenceNumber"] - 1}
    missed = cora.ask("sync", {"conversations": [held]})["conversations"][0]["messages"]
    assert [message["_id"] for message in missed] == [sent["_id"]], missed
    for client in [chad, cora]:
        client.socket.disconnect()


def main():
    community()
    chatter()
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
    answer = bob.socket.call("send_message", {"roomId": ROOM, "message": "Hi"}, timeout=30)
    assert answer["success"] and answer["data"]["sequenceNumber"] == 2, answer
    assert ann.next("new_message")["message"] == "Hi"
    bob.socket.emit("typing", {"roomId": ROOM, "isTyping": True})
    assert ann.next("user_typing")["isTyping"] is True
    ann.socket.emit("get_messages", {"roomId": ROOM})
    assert [message["content"] for message in ann.next("messages")["messages"]] == ["Hello", "Hi"]
    bob.socket.emit("leave_room", {"roomId": ROOM})
    assert ann.next("user_left")["userId"] == "bob"
    try:
        # Its client waits as long as that even where it has been refused.
        Client("mallory", patience=5)
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
