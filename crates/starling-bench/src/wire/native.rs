//! Starling's own protocol, in either codec.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use starling_cluster::mint_token;
use starling_protocol::limits::MAX_MEMBERS_PER_COMMAND;
use starling_protocol::{
    AddMembers, ClientFrame, ClientId, Codec, Command, ConversationId, Create, Encoded, Event, Kind, Reply,
    Send, ServerFrame, Sync, UserId,
};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

use super::{IDLE_BUFFER, IdleWire, Incoming, Wire, stamp_in};
use crate::socket::{self, Socket, say, until};

const TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_secs(3600);

/// See the module.
#[derive(Clone)]
pub(crate) struct Native {
    codec: Codec,
    secret: Arc<str>,
}

impl Native {
    /// For a cluster with this secret.
    pub(crate) fn new(codec: Codec, secret: &str) -> Self {
        Self {
            codec,
            secret: secret.into(),
        }
    }

    /// Connects without asking for any stream.
    async fn open(&self, node: &str, user: &str, buffer: usize) -> Result<Socket> {
        let token = mint_token(&self.secret, user, TOKEN_LIFETIME)?;
        let mut socket = socket::connect(node, buffer, |request| {
            let headers = request.headers_mut();
            headers.insert(
                SEC_WEBSOCKET_PROTOCOL,
                HeaderValue::from_static(self.codec.subprotocol()),
            );
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}"))?);
            Ok(())
        })
        .await?;
        until(&mut socket, |message| {
            Ok(match self.decode(message)? {
                Some(ServerFrame::Event(Event::Ready(_))) => Some(()),
                _ => None,
            })
        })
        .await?;
        Ok(socket)
    }

    fn frame(&self, id: u64, command: Command) -> Message {
        match self.codec.encode(&ClientFrame { id, command }) {
            Encoded::Text(text) => Message::text(text),
            Encoded::Binary(bytes) => Message::binary(bytes),
        }
    }

    fn decode(&self, message: &Message) -> Result<Option<ServerFrame>> {
        Ok(match message {
            Message::Text(text) => Some(self.codec.decode_server(text.as_bytes())?),
            Message::Binary(bytes) => Some(self.codec.decode_server(bytes)?),
            Message::Close(close) => bail!("closed: {close:?}"),
            _ => None,
        })
    }

    async fn ask(&self, socket: &mut Socket, id: u64, command: Command) -> Result<Reply> {
        say(socket, self.frame(id, command)).await?;
        until(socket, |message| {
            Ok(match self.decode(message)? {
                Some(ServerFrame::Reply { id: of, result }) if of == id => Some(result?),
                _ => None,
            })
        })
        .await
    }
}

impl IdleWire for Native {
    async fn connect_idle(&self, node: &str, user: &str) -> Result<Socket> {
        self.open(node, user, IDLE_BUFFER).await
    }

    fn answer(&self, _: &Message) -> Option<Message> {
        // The WebSocket's own pings are answered below.
        None
    }
}

impl Wire for Native {
    async fn connect(&self, node: &str, user: &str) -> Result<Socket> {
        let mut socket = self.open(node, user, 32 * 1024).await?;
        self.ask(&mut socket, u64::MAX, Command::Sync(Sync::default()))
            .await?;
        Ok(socket)
    }

    async fn converse(&self, sockets: &mut [Socket], members: &[String], name: &str) -> Result<String> {
        let others = members[1..]
            .iter()
            .map(UserId::new)
            .collect::<Result<Vec<_>, _>>()?;
        let mut chunks = others.chunks(MAX_MEMBERS_PER_COMMAND);
        let create = Command::Create(Create {
            name: Some(name.to_owned()),
            client_id: Some(ClientId::new(name)?),
            ..Create::of(Kind::Group, chunks.next().unwrap_or_default().to_vec())
        });
        let Reply::Conversation(made) = self.ask(&mut sockets[0], u64::MAX, create).await? else {
            bail!("create was answered with something else");
        };
        for users in chunks {
            let add = AddMembers {
                conversation: made.id.clone(),
                users: users.to_vec(),
            };
            self.ask(&mut sockets[0], u64::MAX, Command::Add(add)).await?;
        }
        for socket in &mut sockets[1..] {
            until(socket, |message| {
                Ok(match self.decode(message)? {
                    Some(ServerFrame::Event(Event::Conversation(state)))
                        if state.conversation.id == made.id =>
                    {
                        Some(())
                    }
                    _ => None,
                })
            })
            .await?;
        }
        Ok(made.id.as_str().to_owned())
    }

    fn send(&self, conversation: &str, user: &str, number: u64, text: &str) -> Message {
        let ids = (
            ConversationId::new(conversation),
            ClientId::new(format!("{user}-{number}")),
        );
        let (Ok(conversation), Ok(client_id)) = ids else {
            unreachable!("both were made here and are valid");
        };
        let send = Send::text(conversation, client_id, text);
        self.frame(number, Command::Send(send))
    }

    fn read(&self, message: &Message) -> Result<Incoming> {
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Close(close) => bail!("closed: {close:?}"),
            _ => return Ok(Incoming::Other),
        };
        // Only an entry holds a text. It is not decoded: what is measured is the server.
        if let Some(stamp) = stamp_in(bytes) {
            return Ok(Incoming::Delivered(stamp));
        }
        Ok(match self.codec.decode_server(bytes)? {
            ServerFrame::Reply { id, result } => match result.context("refused")? {
                Reply::Sent(_) => Incoming::Acknowledged(id),
                _ => Incoming::Other,
            },
            ServerFrame::Event(Event::Error(error)) => return Err(error.into()),
            ServerFrame::Event(_) => Incoming::Other,
        })
    }
}
