//! The recorder: frames in, records out.

use std::time::Duration;

use starling_check::Recorder;
use starling_check::history::Call;
use starling_protocol::{ClientFrame, ClientId, Codec, ConversationId, ErrorCode, UserId};

#[test]
fn raw_frames_become_records() {
    let recorder = Recorder::in_memory_with_clock(|| Duration::from_nanos(7));
    let client = recorder.client("u1/phone", &UserId::new("u1").unwrap());
    let sent = |json: &str| -> ClientFrame { Codec::Json.decode_client(json.as_bytes()).unwrap() };
    let received = |json: &str| client.received(&Codec::Json.decode_server(json.as_bytes()).unwrap());
    client.disconnected(1006);
    received(r#"{"ready":{"user":"u1","node":"n1","connection":"x","heartbeat_ms":1}}"#);
    client.sent(&sent(r#"{"id":1,"sync":{"cursors":{"c":4}}}"#));
    received(
        r#"{"conversation":{"cursor":4,"conversation":{"id":"c","kind":"group","role":"member","head":5,"delivered":0,"unread":1}}}"#,
    );
    let entry = |seq| {
        format!(
            r#""conversation":"c","seq":{seq},"lamport":5,"at":1,"messages":1,"membership":1,"body":{{"void":{{}}}}"#
        )
    };
    received(&format!(r#"{{"entry":{{{}}}}}"#, entry(5)));
    received(
        r#"{"id":1,"ok":{"synced":{"conversations":1,"refused":{"d":{"code":"not_a_member","message":""}}}}}"#,
    );
    received(&format!(r#"{{"entry":{{{}}}}}"#, entry(6)));
    let call = Call::Send {
        conversation: ConversationId::new("c").unwrap(),
        client_id: ClientId::new("x").unwrap(),
    };
    let op = client.invoke(call);
    client.sent(&sent(
        r#"{"id":2,"send":{"conversation":"c","client_id":"x","text":"t","retry":true}}"#,
    ));
    client.sent(&sent(r#"{"id":3,"delivered":{"conversation":"c","seq":6}}"#));
    client.sent(&sent(r#"{"id":4,"history":{"conversation":"c"}}"#));
    client.sent(&sent(r#"{"id":5,"read":{"conversation":"c","seq":5}}"#));
    client.sent(&sent(r#"{"id":6,"invite":{"conversation":"c","client_id":"i"}}"#));
    received(r#"{"id":3,"ok":{"done":{}}}"#);
    received(r#"{"id":5,"ok":{"done":{}}}"#);
    received(
        r#"{"id":6,"ok":{"invited":{"invite":"abcdefghijklmnopqrstuvwxyz234567","sent":{"conversation":"c","seq":7,"lamport":7,"at":1,"client_id":"i"}}}}"#,
    );
    received(
        r#"{"receipts":{"conversation":"c","delivered":1,"read":0,"members":[{"user":"u2","delivered":6,"read":5}]}}"#,
    );
    received(r#"{"id":2,"error":{"code":"rate_limited","message":"","retry_after_ms":5}}"#);
    received(&format!(
        r#"{{"id":4,"ok":{{"history":{{"entries":[{{{}}}],"more":false}}}}}}"#,
        entry(3)
    ));
    client.fail(op, ErrorCode::RateLimited);
    client.disconnected(4000);
    client.disconnected(1006);
    client.connected("n2");

    let lines: Vec<String> = recorder
        .records()
        .iter()
        .map(|record| serde_json::to_string(record).unwrap())
        .collect();
    let digest = |line: &str| line.split(",\"digest\"").next().unwrap().to_owned();
    let expected = [
        r#"{"at":7,"connected":{"client":"u1/phone","user":"u1","epoch":1,"node":"n1"}}"#,
        r#"{"at":7,"sync":{"client":"u1/phone","epoch":1,"cursors":{"c":4}}}"#,
        r#"{"at":7,"stream":{"client":"u1/phone","epoch":1,"conversation":"c","cursor":4}}"#,
        r#"{"at":7,"entry":{"client":"u1/phone","epoch":1,"conversation":"c","seq":5,"kind":"void","via":"sync""#,
        r#"{"at":7,"synced":{"client":"u1/phone","epoch":1,"refused":{"d":"not_a_member"}}}"#,
        r#"{"at":7,"entry":{"client":"u1/phone","epoch":1,"conversation":"c","seq":6,"kind":"void","via":"live""#,
        r#"{"at":7,"invoke":{"client":"u1/phone","op":1,"call":{"send":{"conversation":"c","client_id":"x"}}}}"#,
        r#"{"at":7,"sent":{"client":"u1/phone","epoch":1,"frame":2,"conversation":"c","client_id":"x","retry":true}}"#,
        r#"{"at":7,"sent":{"client":"u1/phone","epoch":1,"frame":6,"conversation":"c","client_id":"i"}}"#,
        r#"{"at":7,"marked":{"client":"u1/phone","epoch":1,"conversation":"c","seq":6}}"#,
        r#"{"at":7,"marked":{"client":"u1/phone","epoch":1,"conversation":"c","seq":5,"read":true}}"#,
        r#"{"at":7,"answered":{"client":"u1/phone","epoch":1,"frame":6,"seq":7}}"#,
        r#"{"at":7,"receipts":{"client":"u1/phone","epoch":1,"conversation":"c","members":[["u2",6,5]]}}"#,
        r#"{"at":7,"answered":{"client":"u1/phone","epoch":1,"frame":2,"code":"rate_limited"}}"#,
        r#"{"at":7,"entry":{"client":"u1/phone","epoch":1,"conversation":"c","seq":3,"kind":"void","via":"history""#,
        r#"{"at":7,"fail":{"client":"u1/phone","op":1,"code":"rate_limited"}}"#,
        r#"{"at":7,"disconnected":{"client":"u1/phone","epoch":1,"code":4000}}"#,
        r#"{"at":7,"connected":{"client":"u1/phone","user":"u1","epoch":2,"node":"n2"}}"#,
    ];
    assert_eq!(
        lines.iter().map(|line| digest(line)).collect::<Vec<_>>(),
        expected
    );
}
