//! `starling` without any service: a newcomer's first minute, and kill -9 in the middle of sends.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use starling_client::Client;
use starling_cluster::{Env, Standalone, node_with_fail_points};
use starling_core::ports::EntryLog;
use starling_embedded::Store;
use starling_protocol::{Body, ClientId, ConversationId, Send, Seq};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::stage::{Stage, alone, eventually, user};

/// How many kills, where `STARLING_KILLS` does not say: each fail point once, and as many at any other moment.
const KILLS: usize = 16;

async fn standalone(name: &str, env: Env) -> Standalone {
    let binary = node_with_fail_points().await.unwrap();
    Standalone::new(name, &binary, env).unwrap()
}

#[tokio::test]
async fn a_newcomer_needs_no_settings_and_no_services() {
    let _alone = alone().await;
    let node = standalone("newcomer", Env::new()).await;
    node.start().await.unwrap();
    let welcome = format!("Look at     {}/", node.url());
    eventually("it says where to look", Duration::from_secs(30), async || {
        let said = std::fs::read_to_string(node.log_path()).unwrap();
        said.contains(&welcome).then_some(())
    })
    .await;
    let secret = node.data_dir().join("secret");
    let mode = std::fs::metadata(&secret).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // Signs in with what the page gets to show.
    let http = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let url = format!("{}{path}", node.url());
        let response = http.post(url).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json::<Value>().await.unwrap())
    };
    let phone = "+4915123456789";
    let (status, asked) = post("/v1/auth/code", json!({"phone": phone})).await;
    assert_eq!(status, 202, "{asked}");
    let shown = json!({"phone": phone, "code": asked["code"], "name": "Ann"});
    let (status, tokens) = post("/v1/auth/token", shown).await;
    assert_eq!(status, 200, "{tokens}");
    let ann = Client::builder([node.ws_url()])
        .token(tokens["access_token"].as_str().unwrap())
        .connect()
        .await
        .unwrap();
    let bob = client(&node, "bob").await;
    let id = ann.create_direct(user("bob")).await.unwrap().id;
    assert_eq!(ann.send(&id, "hello").await.unwrap().seq, 2);

    // Someone else's data are let alone.
    let second = standalone("second", Env::new()).await;
    let data_dir = node.data_dir().to_str().unwrap().to_owned();
    let same_data = Env::from([("STARLING_DATA_DIR".to_owned(), data_dir)]);
    let refused = format!("{:#}", second.start_with_env(&same_data).await.unwrap_err());
    assert!(refused.contains("is in use by another process"), "{refused}");

    // In order, and all is there.
    node.terminate(Duration::from_secs(20)).await.unwrap();
    node.start().await.unwrap();
    eventually(
        "bob is back, and ann's sign-in holds",
        Duration::from_secs(20),
        async || {
            (bob.send(&id, "there").await.ok()?.seq == 3 && ann.send(&id, "still").await.ok()?.seq == 4)
                .then_some(())
        },
    )
    .await;
}

async fn client(node: &Standalone, name: &str) -> Client {
    let client = Client::builder([node.ws_url()])
        .token(node.token(name).unwrap())
        .discard_events()
        .connect()
        .await
        .unwrap();
    client.live().await.unwrap();
    client
}

/// What was acknowledged: where, and what it says.
type Acknowledged = Arc<Mutex<HashMap<(ConversationId, Seq), String>>>;

/// Sends all the time, and notes what is acknowledged. The client itself sends again what is not.
async fn talk(client: Arc<Client>, id: ConversationId, name: String, acknowledged: Acknowledged) {
    for number in 0_u64.. {
        let text = format!("{name}-{number}");
        let send = Send::text(id.clone(), ClientId::new(text.clone()).unwrap(), &text);
        if let Ok(sent) = client.send_with(send).await {
            let before = acknowledged.lock().insert((id.clone(), sent.seq), text.clone());
            assert_eq!(before, None, "two have the place {}", sent.seq);
        }
    }
}

/// `STARLING_KILLS=200 cargo test … kill_minus_9` takes some minutes.
#[tokio::test]
async fn kill_minus_9_loses_nothing_that_was_acknowledged() {
    let _alone = alone().await;
    let kills = std::env::var("STARLING_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let unlimited = ["STARLING_SENDS_PER_SECOND", "STARLING_CONNECTIONS_PER_USER"];
    let unlimited = unlimited.map(|name| (name.to_owned(), "0".to_owned()));
    let node = standalone("kill", Env::from(unlimited)).await;
    node.start().await.unwrap();
    let acknowledged = Acknowledged::default();
    let mut talkers = JoinSet::new();
    let mut ids = Vec::new();
    for pair in 0..3 {
        let (left, right) = (format!("ann{pair}"), format!("bob{pair}"));
        let (ann, bob) = (client(&node, &left).await, client(&node, &right).await);
        let id = ann.create_direct(user(&right)).await.unwrap().id;
        ids.push(id.clone());
        for (client, name) in [(ann, left), (bob, right)] {
            let client = Arc::new(client);
            for stream in ["x", "y"] {
                let (client, id) = (Arc::clone(&client), id.clone());
                talkers.spawn(talk(
                    client,
                    id,
                    format!("{name}{stream}"),
                    Arc::clone(&acknowledged),
                ));
            }
        }
    }

    let windows: Vec<_> = starling_core::WINDOWS
        .iter()
        .chain(starling_embedded::WINDOWS)
        .collect();
    let mut struck = 0;
    for kill in 0..kills {
        let before = acknowledged.lock().len();
        if kill % 2 == 0 {
            // Dies by itself where it hurts most, a little later each time.
            let window = windows[kill / 2 % windows.len()];
            let armed = format!("{window}={}*off->1*return(crash)", 5 + kill);
            node.kill9().await.unwrap();
            let armed = Env::from([("FAILPOINTS".to_owned(), armed)]);
            // It may die before it was seen to be ready.
            if let Err(error) = node.start_with_env(&armed).await {
                assert!(
                    error.to_string().contains("ended before it was ready"),
                    "{error:#}"
                );
            }
            node.wait_exit(Duration::from_secs(30)).await.unwrap();
            struck += 1;
        } else {
            node.kill9().await.unwrap();
        }
        node.start().await.unwrap();
        eventually("people talk again", Duration::from_secs(30), async || {
            (acknowledged.lock().len() > before + 20).then_some(())
        })
        .await;
        sleep(Duration::from_millis(kill as u64 * 7 % 50)).await;
    }
    assert_eq!(struck, kills.div_ceil(2));
    node.kill9().await.unwrap();
    talkers.shutdown().await;

    let store = Store::open(&node.data_dir()).unwrap();
    let mut acknowledged = std::mem::take(&mut *acknowledged.lock());
    println!("{kills} kills, {} acknowledged", acknowledged.len());
    for id in ids {
        let (mut next, mut keys) = (1, std::collections::HashSet::new());
        loop {
            let page = store.read(&id, next - 1, Seq::MAX, 1_000).await.unwrap();
            if page.is_empty() {
                break;
            }
            for entry in page {
                assert_eq!(entry.seq, next, "the log of {id} has a hole");
                next += 1;
                let key = (entry.sender.clone(), entry.client_id.clone());
                assert!(keys.insert(key), "{entry:?} is there twice");
                let told = acknowledged.remove(&(id.clone(), entry.seq));
                if let (Some(told), Body::Message(said)) = (&told, &entry.body) {
                    assert_eq!(*told, said.text);
                } else {
                    assert_eq!(told, None, "{entry:?}");
                }
            }
        }
    }
    assert!(acknowledged.is_empty(), "acknowledged and lost: {acknowledged:?}");
}

/// What `starling` printed, where it succeeded.
fn starling(binary: &std::path::Path, args: &[&str], env: &[(&str, &str)]) -> Result<String, String> {
    let output = std::process::Command::new(binary)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

/// The records of an export.
fn records(path: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

#[tokio::test]
async fn a_store_moves_to_a_cluster_and_back() {
    let stage = Stage::start("move").await;
    for index in 0..3 {
        stage
            .node(index)
            .terminate(Duration::from_secs(20))
            .await
            .unwrap();
    }
    let node = standalone(
        "move",
        Env::from([("STARLING_SENDS_PER_SECOND".into(), "0".into())]),
    )
    .await;
    node.start().await.unwrap();
    let (ann, bob) = (client(&node, "ann").await, client(&node, "bob").await);
    let id = ann.create_group(vec![user("bob"), user("eve")]).await.unwrap().id;
    for number in 0..600 {
        ann.send(&id, format!("message {number}")).await.unwrap();
    }
    ann.edit(&id, 2, "edited").await.unwrap();
    bob.react(&id, 2, "+1").await.unwrap();
    ann.delete(&id, 3).await.unwrap();
    ann.mute(&id, user("bob"), None).await.unwrap();
    let head = ann.ban(&id, user("eve")).await.unwrap().seq;
    let gone = ann.create_direct(user("zoe")).await.unwrap().id;
    ann.send(&gone, "nobody shall read this").await.unwrap();
    node.terminate(Duration::from_secs(20)).await.unwrap();

    let binary = node_with_fail_points().await.unwrap();
    let data_dir = node.data_dir();
    let file = |name: &str| data_dir.join(name);
    let (first, second) = (file("first.jsonl"), file("second.jsonl"));
    let one = [("STARLING_DATA_DIR", data_dir.to_str().unwrap())];
    let uri = stage.mongo().url();
    let many = [
        ("STARLING_MONGODB_URI", uri.as_str()),
        ("STARLING_TOKEN_SECRET", "a secret of thirty-two bytes!!!!"),
    ];
    let run = |what: &str, path: &std::path::Path, env: &[(&str, &str)]| {
        starling(&binary, &[what, "--file", path.to_str().unwrap()], env)
    };
    run("export", &first, &one).unwrap();
    let whole = std::fs::read(&first).unwrap();
    assert!(records(&first).len() > 600);

    // One that was cut off goes on where it was, and is not taken for a whole one before.
    let cut = file("cut.jsonl");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let refused = run("import", &cut, &many).unwrap_err();
    assert!(refused.contains("is cut off"), "{refused}");
    run("export", &cut, &one).unwrap();
    assert_eq!(std::fs::read(&cut).unwrap(), whole);
    // Nor is one in which someone is quoted wrongly.
    let damaged = String::from_utf8(whole.clone())
        .unwrap()
        .replace("message 7\"", "massage 7\"");
    std::fs::write(&cut, damaged).unwrap();
    let refused = run("import", &cut, &many).unwrap_err();
    assert!(refused.contains("was damaged"), "{refused}");
    assert_eq!(stage.count_stored().await, 0, "nothing was put there");

    // To the cluster; again, with a part of it gone; and back.
    let said = run("import", &first, &many).unwrap();
    assert!(
        said.contains(&format!("imported {} of", records(&first).len())),
        "{said}"
    );
    stage.forget_entries_after(&id, 300).await;
    let said = run("import", &first, &many).unwrap();
    assert!(said.contains(&format!("imported {} of", head - 300)), "{said}");
    run("export", &second, &many).unwrap();
    assert_eq!(records(&first), records(&second));
    let said = run("import", &second, &one).unwrap();
    assert!(said.contains("imported 0 of"), "{said}");
    let back = data_dir.join("back");
    run(
        "import",
        &second,
        &[("STARLING_DATA_DIR", back.to_str().unwrap())],
    )
    .unwrap();

    // Both go on where it was.
    stage.node(0).start().await.unwrap();
    let secret = data_dir.join("secret");
    let moved = [
        ("STARLING_DATA_DIR", &back),
        ("STARLING_TOKEN_SECRET_FILE", &secret),
    ];
    let moved = moved.map(|(name, path)| (name.to_owned(), path.to_str().unwrap().to_owned()));
    node.start_with_env(&Env::from(moved)).await.unwrap();
    for ann in [stage.client_at(0, "ann").await, client(&node, "ann").await] {
        assert_eq!(ann.send(&id, "here").await.unwrap().seq, head + 1);
    }
}
