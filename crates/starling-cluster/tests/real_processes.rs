//! The programs are started for real. `cargo xtask setup` gets those that are missing.

use std::time::Duration;

use anyhow::Result;
use starling_cluster::{Cluster, ClusterConfig, Data, Description, Mongo, Redis, Reply, ReservedPort};

/// A cluster without nodes: what this crate itself is responsible for.
fn without_nodes(name: &str) -> ClusterConfig {
    ClusterConfig {
        nodes: 0,
        haproxy: false,
        ..ClusterConfig::temporary(name, "/nonexistent/starling")
    }
}

fn text(value: &str) -> Reply {
    Reply::Text(value.to_owned())
}

#[tokio::test]
async fn redis_is_killed_and_comes_back_empty() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = ReservedPort::any()?;
    let redis = Redis::start_alone(dir.path(), port.number()).await?;
    redis.command(&["SET", "kept", "no"]).await?;
    assert_eq!(redis.command(&["GET", "kept"]).await?, text("no"));
    redis.kill9().await?;
    assert!(!redis.is_alive());
    assert!(redis.ping().await.is_err());
    redis.start().await?;
    assert_eq!(redis.command(&["GET", "kept"]).await?, Reply::Nil);
    assert!(redis.start().await.is_err(), "it must not be started twice");
    let status = redis.terminate(Duration::from_secs(10)).await?;
    assert!(status.is_some_and(|status| status.success()));
    Ok(())
}

#[tokio::test]
async fn a_paused_redis_is_silent_until_it_is_resumed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = ReservedPort::any()?;
    let redis = Redis::start_alone(dir.path(), port.number()).await?;
    redis.pause()?;
    assert!(
        tokio::time::timeout(Duration::from_millis(300), redis.ping())
            .await
            .is_err()
    );
    assert!(redis.is_alive());
    redis.resume()?;
    redis.ping().await?;
    redis.pause()?;
    redis.terminate(Duration::from_secs(10)).await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_can_be_used_from_spawned_tasks() -> Result<()> {
    let task = tokio::spawn(async {
        let cluster = Cluster::start(without_nodes("spawned")).await?;
        cluster.redis().kill9().await?;
        cluster.redis().start().await?;
        cluster
            .mongo()
            .member(0)
            .terminate(Duration::from_secs(60))
            .await?;
        cluster.mongo().member(0).start().await?;
        cluster.stop(Data::Wipe).await
    });
    task.await?
}

#[tokio::test]
async fn three_masters_form_a_redis_cluster() -> Result<()> {
    let cluster = Cluster::start(ClusterConfig {
        redis_masters: 3,
        ..without_nodes("redis-cluster")
    })
    .await?;
    assert!(cluster.redis_url().starts_with("redis-cluster://127.0.0.1:"));
    let mut stored = 0;
    for master in cluster.redis_masters() {
        match master.command(&["SET", "key", "value"]).await {
            Ok(_) => stored += 1,
            Err(error) => assert!(error.to_string().contains("MOVED"), "{error}"),
        }
    }
    assert_eq!(stored, 1, "one master, and no other, has the slot");
    Ok(())
}

#[tokio::test]
async fn mongod_keeps_what_it_has_over_a_kill() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let port = ReservedPort::any()?;
    let mongo = Mongo::start_alone(dir.path(), &[port.number()]).await?;
    assert_eq!(mongo.primary().await, Some(0));
    let client = mongodb::Client::with_uri_str(mongo.url()).await?;
    let notes = client.database("starling").collection("notes");
    let majority = mongodb::options::WriteConcern::majority();
    notes
        .insert_one(mongodb::bson::doc! { "_id": 1 })
        .write_concern(majority)
        .await?;
    mongo.member(0).kill9().await?;
    mongo.member(0).start().await?;
    assert_eq!(notes.count_documents(mongodb::bson::doc! {}).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_replica_set_of_three_elects_another_primary() -> Result<()> {
    let cluster = Cluster::start(ClusterConfig {
        mongo_members: 3,
        ..without_nodes("three-mongods")
    })
    .await?;
    let Some(first) = cluster.mongo().primary().await else {
        panic!("no primary")
    };
    cluster.mongo().member(first).kill9().await?;
    let another = async {
        loop {
            match cluster.mongo().primary().await {
                Some(primary) => return primary,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let second = tokio::time::timeout(Duration::from_secs(30), another).await?;
    assert_ne!(first, second);
    cluster.mongo().member(first).start().await?;
    Ok(())
}

#[tokio::test]
async fn a_released_cluster_is_stopped_by_whoever_attaches() -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("cluster");
    let config = ClusterConfig {
        dir: dir.clone(),
        ..without_nodes("released")
    };
    let cluster = Cluster::start(config.clone()).await?;
    let secret = cluster.token_secret().to_owned();
    cluster.release();

    assert!(
        Cluster::start(config).await.is_err(),
        "the directory belongs to the running cluster"
    );
    let attached = Cluster::attach(&dir)?.expect("it is recorded");
    assert!(attached.is_running());
    drop(attached);
    let attached = Cluster::attach(&dir)?.expect("it is recorded");
    assert!(
        attached.processes().all(|process| process.is_alive()),
        "dropping an attached cluster ended it"
    );
    let described = Description::read(&dir)?.expect("it is described");
    assert_eq!(described.redis.pid, attached.redis().pid());
    assert_eq!(described.token_secret, secret);

    attached.stop(Data::Wipe).await?;
    assert!(!attached.is_running());
    assert!(!dir.exists());
    Ok(())
}

#[tokio::test]
async fn kept_data_is_there_at_the_next_start() -> Result<()> {
    let home = tempfile::tempdir()?;
    // The members of a replica set are known to it by their ports, so the ports must stay.
    let ports = [ReservedPort::any()?];
    let numbers = ports.each_ref().map(ReservedPort::number);
    let first = Mongo::start_alone(home.path(), &numbers).await?;
    first.member(0).terminate(Duration::from_secs(60)).await?;
    drop(first);
    let second = Mongo::start_alone(home.path(), &numbers).await?;
    assert_eq!(second.primary().await, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_node_that_fails_is_reported_with_its_log_and_nothing_is_left_running() -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("cluster");
    // `ls serve` complains and exits.
    let config = ClusterConfig {
        dir: dir.clone(),
        nodes: 1,
        binary: "/bin/ls".into(),
        temporary: false,
        ..without_nodes("failing")
    };
    let error = Cluster::start(config)
        .await
        .expect_err("ls is no node")
        .to_string();
    assert!(error.contains("node1 ended before it was ready"), "{error}");
    assert!(error.contains("cannot access 'serve'"), "{error}");
    let left = Cluster::attach(&dir)?.expect("the record stays, with the logs");
    assert!(!left.is_running());
    assert!(
        !dir.join("data").exists(),
        "it would be in the way of the next start"
    );
    Ok(())
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_running() -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("cluster");
    let config = ClusterConfig {
        dir: dir.clone(),
        temporary: false,
        ..without_nodes("given-up")
    };
    let mut start = Box::pin(Cluster::start(config));
    let redis_runs = async {
        loop {
            let begun = Cluster::attach(&dir)?;
            if begun.is_some_and(|begun| begun.redis().is_alive() && begun.mongo().member(0).is_alive()) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        biased;
        begun = redis_runs => begun?,
        _ = &mut start => panic!("it was ready before it could be given up"),
    }
    drop(start);
    let left = Cluster::attach(&dir)?.expect("it was recorded");
    assert!(!left.is_running());
    Ok(())
}
