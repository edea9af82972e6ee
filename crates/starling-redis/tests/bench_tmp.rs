#![allow(missing_docs, clippy::all, clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Duration;
use bytes::Bytes;
use starling_core::ports::*;
use starling_protocol::*;
use starling_redis::*;
use tokio::time::Instant;

async fn run(conns: usize, convs: usize, secs: u64, url: &str) {
    let mut s = RedisSettings::new(url);
    s.connections = conns;
    let redis = Redis::connect(s).await.unwrap();
    let inc = Incarnation::fresh();
    let (tx, mut rx) = tokio::sync::mpsc::channel(65536);
    let listener = Redis::connect(RedisSettings::new(url)).await.unwrap();
    let other = Incarnation::fresh();
    listener.listen(&other, tx).await.unwrap();
    let heard = tokio::spawn(async move { let mut n = 0u64; let mut missed = 0; while let Some(e) = rx.recv().await { match e { BusEvent::Message(_) => n += 1, BusEvent::Missed{..} => missed += 1 } } (n, missed) });
    let began = Instant::now();
    let mut tasks = vec![];
    for i in 0..convs {
        let (redis, inc, other) = (redis.clone(), inc.clone(), other.clone());
        tasks.push(tokio::spawn(async move {
            let id = ConversationId::new(format!("b{i}-{inc}")).unwrap();
            redis.join_routes(&[id.clone()], &other).await.unwrap();
            let mut n = 0u64; let mut head = 0; let mut lat = vec![];
            while began.elapsed() < Duration::from_secs(secs) {
                let token = LeaseToken { incarnation: inc.clone(), claim: n };
                let t = Instant::now();
                redis.reserve(&id, &token, 1).await.unwrap();
                head += 1;
                redis.commit(Arc::new(Commit { conversation: id.clone(), token: Some(token), head, then: AfterCommit::Release, payload: Bytes::from(vec![7; 300]), own: inc.clone(), handover: Bytes::new() })).await.unwrap();
                lat.push(t.elapsed());
                n += 1;
            }
            lat
        }));
    }
    let mut all = vec![];
    for t in tasks { all.extend(t.await.unwrap()); }
    let el = began.elapsed();
    all.sort();
    redis.shutdown().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    listener.shutdown().await;
    let (n, missed) = heard.await.unwrap();
    eprintln!("{url} conns {conns} convs {convs}: {:.0} reserve+commit/s  p50 {:?} p99 {:?} heard {n} of {} missed {missed}", all.len() as f64 / el.as_secs_f64(), all[all.len()/2], all[all.len()*99/100], all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench() {
    let url = std::env::var("BENCH_URL").unwrap();
    for (conns, convs) in [(1, 1), (1, 10), (1, 100), (2, 100), (4, 100), (2, 1000)] { run(conns, convs, 4, &url).await; }
}
