//! A server that does exactly what a test tells it to.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use starling_client::protocol::{
    Body, ClientFrame, Codec, Command, Content, ConversationId, ConversationState, ConversationSummary,
    Encoded, Entry, Error, ErrorCode, Event, Kind, Ready, Reply, Role, Sent, Seq, ServerFrame, Sync, Synced,
    UserId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// Long enough for a busy machine, short enough to end a test that would hang.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, after the WebSocket handshake.
    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("a connection")
            .unwrap();
        Peer::shake_hands(stream).await
    }

    /// The next connection, welcomed and with its streams started.
    pub(crate) async fn welcome(&self) -> (Peer, Sync) {
        let mut peer = self.accept().await;
        peer.ready(60_000).await;
        let sync = peer.sync().await;
        (peer, sync)
    }

    /// Answers the next handshake with an HTTP status.
    pub(crate) async fn refuse(&self, status: &str) {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .expect("a connection")
            .unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(response.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    /// Nobody connects for that long.
    pub(crate) async fn is_left_alone(&self, time: Duration) -> bool {
        timeout(time, self.listener.accept()).await.is_err()
    }
}

pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    codec: Codec,
    pub(crate) token: Option<String>,
}

impl Peer {
    async fn shake_hands(stream: TcpStream) -> Self {
        let mut token = None;
        let mut codec = None;
        #[expect(clippy::result_large_err, reason = "the callback's type is given")]
        let callback = |request: &Request, mut response: Response| {
            let header = |name: &str| {
                request
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            token =
                header("authorization").and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
            let protocol = header("sec-websocket-protocol").unwrap();
            codec = Codec::from_subprotocol(&protocol);
            let protocol = HeaderValue::from_str(&protocol).unwrap();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let socket = accept_hdr_async(stream, callback).await.unwrap();
        Self {
            socket,
            codec: codec.expect("a subprotocol of ours"),
            token,
        }
    }

    pub(crate) async fn say(&mut self, frame: ServerFrame) {
        self.try_say(frame).await.unwrap();
    }

    /// Like [`Self::say`], towards a client that may be gone.
    pub(crate) async fn try_say(&mut self, frame: ServerFrame) -> Result<(), ()> {
        let message = match self.codec.encode(&frame) {
            Encoded::Text(text) => Message::text(text),
            Encoded::Binary(bytes) => Message::binary(bytes),
        };
        self.socket.send(message).await.map_err(drop)
    }

    pub(crate) async fn answer(&mut self, id: u64, result: Result<Reply, Error>) {
        self.say(ServerFrame::Reply { id, result }).await;
    }

    pub(crate) async fn refuse(&mut self, id: u64, code: ErrorCode) {
        self.answer(id, Err(Error::new(code, "as the test wants"))).await;
    }

    pub(crate) async fn ready(&mut self, heartbeat_ms: u64) {
        let ready = Ready {
            user: UserId::new("me").unwrap(),
            node: "scripted".into(),
            connection: "1".into(),
            heartbeat_ms,
        };
        self.say(ServerFrame::Event(Event::Ready(ready))).await;
    }

    /// Expects a `sync`, starts the streams that it names and says that all are live.
    pub(crate) async fn sync(&mut self) -> Sync {
        let frame = self.hear().await;
        let Command::Sync(sync) = frame.command else {
            panic!("no sync but {frame:?}")
        };
        for (conversation, cursor) in &sync.cursors {
            self.start(conversation.as_str(), *cursor).await;
        }
        self.answer(frame.id, Ok(Reply::Synced(Synced::default()))).await;
        sync
    }

    pub(crate) async fn start(&mut self, conversation: &str, cursor: Seq) {
        self.say(ServerFrame::Event(Event::Conversation(state(
            conversation,
            cursor,
        ))))
        .await;
    }

    pub(crate) async fn entry(&mut self, conversation: &str, seq: Seq) {
        self.say(ServerFrame::Event(Event::Entry(entry(conversation, seq).into())))
            .await;
    }

    /// The next frame of the client.
    pub(crate) async fn hear(&mut self) -> ClientFrame {
        timeout(PATIENCE, self.try_hear())
            .await
            .expect("a frame in time")
            .expect("a frame, not the end")
    }

    /// The next frame of the client, or its close code (1006 where there is none).
    pub(crate) async fn try_hear(&mut self) -> Result<ClientFrame, u16> {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Text(text))) => Ok(self.codec.decode_client(text.as_bytes()).unwrap()),
                Some(Ok(Message::Binary(bytes))) => Ok(self.codec.decode_client(&bytes).unwrap()),
                Some(Ok(Message::Close(frame))) => Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Err(1006),
            };
        }
    }

    /// The next frame of the client, which must be a `send`: its id, text and whether it is a retry.
    pub(crate) async fn hear_send(&mut self) -> (u64, String, bool) {
        let frame = self.hear().await;
        match frame.command {
            Command::Send(send) => (frame.id, send.text, send.retry),
            other => panic!("no send but {other:?}"),
        }
    }

    /// The client says nothing for that long.
    pub(crate) async fn hears_nothing(&mut self, time: Duration) -> bool {
        timeout(time, self.try_hear()).await.is_err()
    }

    /// The end of the connection: its close code.
    pub(crate) async fn hear_end(&mut self) -> u16 {
        let end = async {
            loop {
                if let Err(code) = self.try_hear().await {
                    return code;
                }
            }
        };
        timeout(PATIENCE, end).await.expect("an end in time")
    }

    /// Sends a ping and waits for its pong.
    pub(crate) async fn ping(&mut self) {
        self.socket.send(Message::Ping("x".into())).await.unwrap();
        let pong = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Pong(_))) => return,
                    Some(Ok(_)) => {}
                    end => panic!("no pong but {end:?}"),
                }
            }
        };
        timeout(PATIENCE, pong).await.expect("a pong in time");
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "as the test wants".into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

pub(crate) fn id(name: &str) -> ConversationId {
    ConversationId::new(name).unwrap()
}

pub(crate) fn entry(conversation: &str, seq: Seq) -> Entry {
    Entry {
        conversation: id(conversation),
        seq,
        sender: None,
        client_id: None,
        lamport: seq,
        at: 0,
        messages: seq,
        membership: 1,
        body: Body::Message(Content::text(format!("text {seq}"))),
        state: None,
    }
}

pub(crate) fn state(conversation: &str, cursor: Seq) -> ConversationState {
    let conversation = ConversationSummary {
        id: id(conversation),
        kind: Kind::Group,
        name: None,
        description: None,
        avatar_url: None,
        open: false,
        role: Role::Member,
        head: cursor,
        delivered: 0,
        read: 0,
        unread: 0,
        hidden: false,
        last: None,
    };
    ConversationState { cursor, conversation }
}

pub(crate) fn sent(conversation: &str, seq: Seq) -> Result<Reply, Error> {
    Ok(Reply::Sent(Sent {
        conversation: id(conversation),
        seq,
        lamport: seq,
        at: 0,
        client_id: None,
    }))
}

impl Peer {
    /// Says what JSON says, in the codec of the connection.
    pub(crate) async fn raw(&mut self, json: &str) {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let message = match self.codec.encode(&value) {
            Encoded::Text(text) => Message::text(text),
            Encoded::Binary(bytes) => Message::binary(bytes),
        };
        self.socket.send(message).await.unwrap();
    }
}
