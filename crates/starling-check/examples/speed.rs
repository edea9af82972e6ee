//! How fast a history is recorded, read and checked: `cargo run --release -p starling-check --example speed`.
//!
//! Sixty clients in twelve conversations, everybody in each of them, sending in turn: nearly all records are entries,
//! as in a real run.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use starling_check::history::Call;
use starling_check::store::{StoreRecord, StoredConversation, StoredMember, write_store};
use starling_check::{ClientRecorder, Recorder, check, read_history, read_store};
use starling_protocol::{
    Body, ClientFrame, ClientId, Command, Content, ConversationId, ConversationState, ConversationSummary,
    Entry, Event, Kind, Member, Reply, Role, Send, Sent, ServerFrame, UserId,
};

const CLIENTS: usize = 60;
const CONVERSATIONS: usize = 12;
const SENDS: usize = 20_000;

type Error = Box<dyn std::error::Error>;

#[allow(
    clippy::disallowed_methods,
    reason = "measures the time that passes, outside of any runtime"
)]
fn main() -> Result<(), Error> {
    let directory = tempfile::tempdir()?;
    let (history, store) = (
        directory.path().join("history.jsonl"),
        directory.path().join("store.jsonl"),
    );
    let start = std::time::Instant::now();
    record(&history, &store)?;
    let recorded = start.elapsed();

    let start = std::time::Instant::now();
    let read = read_history(&history)?;
    let stored = read_store(&store)?;
    let parsed = start.elapsed();

    let start = std::time::Instant::now();
    let report = check(&read.records, &stored);
    let checked = start.elapsed();

    let records = read.records.len() as f64;
    let mut out = io::stdout();
    write!(out, "{}{}", report.excerpts(), report.table())?;
    writeln!(out, "\n{records} records of {} bytes", history.metadata()?.len())?;
    for (what, time) in [("recorded", recorded), ("read", parsed), ("checked", checked)] {
        let seconds = time.as_secs_f64();
        writeln!(
            out,
            "{what:8}  {seconds:.2} s, {:.0} records/s",
            records / seconds
        )?;
    }
    Ok(())
}

fn record(history: &Path, store: &Path) -> Result<(), Error> {
    let recorder = Recorder::create(history)?;
    let users: Vec<UserId> = (0..CLIENTS)
        .map(|n| UserId::new(format!("user-{n}")))
        .collect::<Result<_, _>>()?;
    let clients: Vec<ClientRecorder> = users
        .iter()
        .map(|user| recorder.client(user.as_str(), user))
        .collect();
    let members = users.iter().map(|user| Member {
        user: user.clone(),
        role: Role::Admin,
    });
    let members: Vec<Member> = members.collect();
    let mut logs = Vec::new();
    for client in &clients {
        client.connected("node-1");
    }
    for n in 0..CONVERSATIONS {
        let created = Body::Created {
            kind: Kind::Group,
            name: None,
            description: None,
            avatar_url: None,
            open: true,
            members: members.clone(),
        };
        let id = ConversationId::new(format!("conversation-{n}"))?;
        let first = Arc::new(entry(&id, 1, &users[0], None, created));
        for client in &clients {
            client.received(&ServerFrame::Event(Event::Conversation(state(&id))));
            client.received(&ServerFrame::Event(Event::Entry(Arc::clone(&first))));
        }
        logs.push((id, vec![first]));
    }
    for n in 0..SENDS {
        let (id, log) = &mut logs[n % CONVERSATIONS];
        let (client, user) = (&clients[n % CLIENTS], &users[n % CLIENTS]);
        send(client, user, &clients, id, log, n)?;
    }
    for client in &clients {
        let heads = logs.iter().map(|(id, log)| (id.clone(), log.len() as u64));
        client.finished(heads.collect());
    }
    recorder.flush()?;
    write_store(store, &stored(&logs, &users))?;
    Ok(())
}

fn send(
    client: &ClientRecorder,
    user: &UserId,
    clients: &[ClientRecorder],
    id: &ConversationId,
    log: &mut Vec<Arc<Entry>>,
    n: usize,
) -> Result<(), Error> {
    let client_id = ClientId::new(format!("01J9ZQ6F-4b1c-8a2e-{n:012}"))?;
    let op = client.invoke(Call::Send {
        conversation: id.clone(),
        client_id: client_id.clone(),
    });
    let send = Send::text(
        id.clone(),
        client_id.clone(),
        "A message as people write them, some sixty bytes in length.",
    );
    let seq = log.len() as u64 + 1;
    let body = Body::Message(Content::text(send.text.clone()));
    client.sent(&ClientFrame {
        id: op,
        command: Command::Send(send),
    });
    let entry = Arc::new(entry(id, seq, user, Some(client_id.clone()), body));
    log.push(Arc::clone(&entry));
    client.received(&ServerFrame::Reply {
        id: op,
        result: Ok(Reply::Sent(Sent {
            conversation: id.clone(),
            seq,
            lamport: seq,
            at: 0,
            client_id: Some(client_id),
        })),
    });
    client.ok(op, Some(seq));
    let frame = ServerFrame::Event(Event::Entry(entry));
    clients.iter().for_each(|client| client.received(&frame));
    Ok(())
}

fn entry(id: &ConversationId, seq: u64, sender: &UserId, client_id: Option<ClientId>, body: Body) -> Entry {
    Entry {
        conversation: id.clone(),
        seq,
        sender: Some(sender.clone()),
        client_id,
        lamport: seq,
        at: 1_767_225_600_000,
        messages: seq - 1,
        membership: 1,
        body,
        state: None,
    }
}

fn state(id: &ConversationId) -> ConversationState {
    ConversationState {
        cursor: 0,
        conversation: ConversationSummary {
            id: id.clone(),
            kind: Kind::Group,
            name: None,
            description: None,
            avatar_url: None,
            open: true,
            role: Role::Admin,
            head: 1,
            delivered: 0,
            read: 0,
            unread: 0,
            hidden: false,
            last: None,
        },
    }
}

fn stored(logs: &[(ConversationId, Vec<Arc<Entry>>)], users: &[UserId]) -> Vec<StoreRecord> {
    let mut records = Vec::new();
    for (id, log) in logs {
        records.extend(log.iter().map(|entry| StoreRecord::Entry((**entry).clone())));
        let head = log.len() as u64;
        let members = users.iter().map(|user| StoredMember {
            user: user.clone(),
            role: Role::Admin,
            read: head,
            delivered: head,
            left: None,
        });
        records.push(StoreRecord::Conversation(StoredConversation {
            governance: None,
            id: id.clone(),
            head: Some(head),
            applied: Some(head),
            members: members.collect(),
        }));
    }
    records
}
