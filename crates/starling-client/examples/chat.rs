//! A chat in the terminal: what you type is sent, what others say is printed.
//!
//! ```text
//! cargo run -p starling-client --example chat -- --token TOKEN --with bob
//! ```

use std::collections::HashSet;

use anyhow::{Context, Result};
use clap::Parser;
use starling_client::protocol::{Body, ClientId, Content, ConversationId, Entry, Send, UserId};
use starling_client::{Client, Event, Outcome};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Stdout, stdin, stdout};

/// A chat in the terminal. Ctrl-D ends it.
#[derive(Parser)]
struct Arguments {
    /// A node or the front of the cluster; give several to go on when one fails.
    #[arg(long, default_value = "ws://127.0.0.1:8080/ws")]
    url: Vec<String>,
    /// Who you are: a JWT, as `starling token` mints it.
    #[arg(long, env = "STARLING_TOKEN", hide_env_values = true)]
    token: String,
    /// Talk with this user.
    #[arg(
        long,
        conflicts_with = "conversation",
        required_unless_present = "conversation"
    )]
    with: Option<String>,
    /// Talk in this conversation.
    #[arg(long)]
    conversation: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let client = Client::builder(arguments.url)
        .token(arguments.token)
        .connect()
        .await?;
    let conversation = match (arguments.conversation, arguments.with) {
        (Some(id), _) => ConversationId::new(id)?,
        (None, with) => {
            let other = UserId::new(with.context("nobody to talk with")?)?;
            client.create_direct(other).await?.id
        }
    };
    let mut screen = stdout();
    let user = client.user().context("the node did not say who we are")?;
    say(
        &mut screen,
        &format!("you are {user}, in conversation {conversation}"),
    )
    .await?;

    let mut lines = BufReader::new(stdin()).lines();
    let mut mine = HashSet::new();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(text) if text.trim().is_empty() => {}
                Some(text) => {
                    let client_id = ClientId::new(rand::random::<u128>().to_string())?;
                    mine.insert(client_id.clone());
                    let conversation = conversation.clone();
                    let send = Send::text(conversation, client_id, text);
                    // Handed over in the order of typing; the answer may take its time.
                    let outcome = client.enqueue(send).await?;
                    tokio::spawn(report(outcome));
                }
                None => break,
            },
            event = client.next_event() => match event? {
                Event::Entry(entry) if entry.conversation == conversation => {
                    let echo = entry.client_id.as_ref().is_some_and(|id| mine.remove(id));
                    if !echo && let Some(line) = line_of(&entry) {
                        say(&mut screen, &line).await?;
                    }
                }
                Event::Connected { node, .. } => say(&mut screen, &format!("connected to {node}")).await?,
                Event::Disconnected { code } => say(&mut screen, &format!("disconnected ({code})")).await?,
                _ => {}
            },
        }
    }
    client.close().await;
    Ok(())
}

async fn report(outcome: Outcome) -> Result<()> {
    let line = match outcome.await {
        Ok(sent) => format!("stored at {}", sent.seq),
        Err(error) => error.to_string(),
    };
    say(&mut stdout(), &line).await
}

fn line_of(entry: &Entry) -> Option<String> {
    let sender = entry.sender.as_ref().map_or("the system", UserId::as_str);
    match &entry.body {
        Body::Message(Content { text, .. }) => Some(format!("{} {sender}: {text}", entry.seq)),
        Body::Edited { target, text } => Some(format!("{} {sender} changed {target}: {text}", entry.seq)),
        Body::Deleted { target } => Some(format!("{} {sender} deleted {target}", entry.seq)),
        Body::Reacted {
            target,
            emoji,
            removed,
        } => {
            let what = if *removed { "took back" } else { "gave" };
            Some(format!("{} {sender} {what} {emoji} for {target}", entry.seq))
        }
        Body::Created { .. } => Some(format!("{} {sender} made the conversation", entry.seq)),
        Body::Joined { users, .. } => {
            let users: Vec<_> = users.iter().map(UserId::as_str).collect();
            Some(format!("{} {} joined", entry.seq, users.join(", ")))
        }
        Body::Dissolved {} => Some(format!("{} the conversation was deleted", entry.seq)),
        body => {
            let user = body.ends_membership()?;
            Some(format!("{} {user} left", entry.seq))
        }
    }
}

async fn say(screen: &mut Stdout, line: &str) -> Result<()> {
    screen.write_all(line.as_bytes()).await?;
    screen.write_all(b"\n").await?;
    screen.flush().await?;
    Ok(())
}
