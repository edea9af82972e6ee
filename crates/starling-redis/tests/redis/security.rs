//! Passwords and TLS.

use std::path::{Path, PathBuf};
use std::process::Command;

use starling_core::ports::{Bus, Leases, Reservation};
use starling_redis::{Redis, RedisError, RedisSettings};

use crate::server::{Server, free_port};
use crate::support::{Node, connect_with, conversation};

async fn works(settings: RedisSettings) {
    let (mut node, id) = (Node::start_with(settings).await, conversation());
    let granted = node.redis.reserve(&id, &node.token(1), 1).await.unwrap();
    assert_eq!(
        granted,
        Reservation::Granted {
            counter: None,
            head: None
        }
    );
    node.echo("hello").await;
    node.redis.ping().await.unwrap();
}

async fn fails(settings: RedisSettings) -> RedisError {
    let shown = format!("{settings:?}");
    match Redis::connect(settings).await {
        Ok(_) => panic!("connected with {shown}"),
        Err(e) => e,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_comes_with_the_url() {
    let server = Server::start_on(free_port(), &["--requirepass", "p@ss w%rd"], &["-a", "p@ss w%rd"]).await;
    let port = server.port;
    works(RedisSettings::new(format!(
        "redis://:p%40ss%20w%25rd@127.0.0.1:{port}"
    )))
    .await;
    works(RedisSettings::new(format!(
        "redis://default:p%40ss%20w%25rd@127.0.0.1:{port}"
    )))
    .await;

    // As docs/redis.md says.
    let mut rules = vec!["ACL", "SETUSER", "starling", "on", ">secret"];
    rules.extend(
        "~lock:* ~seq:* ~waiters:* ~polls:* ~route:* ~recent:* ~alive:* ~user:* ~queue:* ~rate:* ~away:* ~users:* ~nodes:* ~code:* ~quota:* ~events:* ~taken:* &node:*".split(' '),
    );
    rules
        .extend("-@all +@connection +@pubsub +@scripting +@read +@write +@hash +@set +@sortedset".split(' '));
    rules.extend("+@string +@keyspace -@dangerous +info +time +cluster|info +cluster|slots".split(' '));
    server.cli(&rules);
    works(RedisSettings::new(format!(
        "redis://starling:secret@127.0.0.1:{port}/3"
    )))
    .await;
    let settings = RedisSettings::new(format!("redis://starling:secret@127.0.0.1:{port}"));
    crate::recovery::all_work(&connect_with(settings).await).await;

    for credentials in ["", ":wrong@", "starling:wrong@", "nobody:secret@"] {
        let error = fails(RedisSettings::new(format!(
            "redis://{credentials}127.0.0.1:{port}"
        )))
        .await;
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}

/// A certificate authority, and a server's certificate by it.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn make() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl")
                .current_dir(&directory)
                .args(arguments)
                .output()
                .expect("openssl");
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        std::fs::write(
            directory.path().join("names"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        )
        .unwrap();
        for name in ["ca", "server", "other-ca"] {
            openssl(&[
                "ecparam",
                "-name",
                "prime256v1",
                "-genkey",
                "-noout",
                "-out",
                &format!("{name}.key"),
            ]);
        }
        for (name, subject) in [("ca", "/CN=test"), ("other-ca", "/CN=other")] {
            let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
            openssl(&[
                "req",
                "-x509",
                "-new",
                "-key",
                &key,
                "-subj",
                subject,
                "-days",
                "2",
                "-out",
                &certificate,
            ]);
        }
        openssl(&[
            "req",
            "-new",
            "-key",
            "server.key",
            "-subj",
            "/CN=redis",
            "-out",
            "server.csr",
        ]);
        openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.crt",
        ]);
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

async fn tls_server(certificates: &Certificates, more: &[&str]) -> Server {
    let path = |name: &str| certificates.path(name).to_str().unwrap().to_owned();
    let (certificate, key, ca) = (path("server.crt"), path("server.key"), path("ca.crt"));
    let port = free_port();
    let tls_port = port.to_string();
    let mut arguments = vec![
        "--port",
        "0",
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    arguments.extend(more);
    Server::start_on(port, &arguments, &["--tls", "--cacert", &ca, "-a", "secret"]).await
}

fn trusting(url: String, ca: &Path) -> RedisSettings {
    let mut settings = RedisSettings::new(url);
    settings.tls_ca_file = Some(ca.to_owned());
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_trusts_the_authority_it_is_given() {
    let certificates = Certificates::make();
    let server = tls_server(&certificates, &["--requirepass", "secret"]).await;
    let (port, ca) = (server.port, certificates.path("ca.crt"));
    for host in ["localhost", "127.0.0.1"] {
        works(trusting(format!("rediss://:secret@{host}:{port}"), &ca)).await;
    }
    let url = format!("rediss://:secret@127.0.0.1:{port}");
    fails(trusting(url.clone(), &certificates.path("other-ca.crt"))).await;
    let error = fails(trusting(url.clone(), &certificates.path("missing"))).await;
    assert!(matches!(error, RedisError::Tls(_)), "{error}");
    let error = fails(trusting(url.clone(), &certificates.path("names"))).await;
    assert!(matches!(error, RedisError::Tls(_)), "{error}");
    // The system does not know this authority.
    fails(RedisSettings::new(url)).await;
    fails(RedisSettings::new(format!("redis://:secret@127.0.0.1:{port}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_speaks_tls_too() {
    let certificates = Certificates::make();
    let bus_port = free_port().to_string();
    let more = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus_port,
        "--cluster-announce-ip",
        "127.0.0.1",
        "--tls-cluster",
        "yes",
        "--requirepass",
        "secret",
    ];
    let server = tls_server(&certificates, &more).await;
    server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    crate::support::eventually("the cluster is up", async || {
        server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
    })
    .await;
    let (port, ca) = (server.port, certificates.path("ca.crt"));
    for host in ["localhost", "127.0.0.1"] {
        works(trusting(format!("rediss-cluster://:secret@{host}:{port}"), &ca)).await;
    }
}
