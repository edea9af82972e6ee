//! A local Starling cluster of real processes: redis-server, mongod as a replica set, Starling nodes and HAProxy.
//!
//! `cargo xtask cluster` is a command line over this crate; the tests across processes start their clusters with
//! it, on free ports, beside it. Everything here works on processes of this machine only, listens on 127.0.0.1,
//! and needs Linux, because processes are told apart by what `/proc` says of them.
//!
//! What a cluster is made of lies in one directory ([`ClusterConfig::dir`]): `data/`, `logs/`, `run/` (one file
//! for each process that runs), `record.json` (what another process needs to take the cluster over) and
//! `cluster.json` ([`Description`], for whoever wants to use the cluster).
//!
//! Architecture invariant: a signal goes only to a process that was started by this crate, recorded in `run/`, and
//! is still the same process (see [`ProcessIdentity`]); never to a name, never to a bare number.

mod binary;
mod clients;
mod cluster;
mod config;
mod description;
mod dirs;
mod files;
mod haproxy;
mod identity;
mod limits;
mod mongo;
mod node;
mod paths;
mod ports;
mod probe;
mod process;
mod rabbitmq;
mod record;
mod redis;
mod resp;
mod standalone;
mod status;
mod token;
mod tools;
mod wiring;

pub use binary::{
    FAIL_POINTS, Profile, TEST_BINARY_VARIABLE, build_node, build_release, build_tests_and_node, cargo,
    node_with_fail_points,
};
pub use clients::{RunningScript, SocketIoClients};
pub use cluster::{Cluster, Data};
pub use config::{ClusterConfig, Env, Ports};
pub use description::{Description, HaproxyDescription, MongoDescription, NodeDescription, RedisDescription};
pub use haproxy::Haproxy;
pub use identity::ProcessIdentity;
pub use limits::raise_open_files;
pub use mongo::{Mongo, MongoMember};
pub use node::Node;
pub use paths::{development_cluster_dir, schemathesis_dir, tools_dir, workspace_root};
pub use ports::{PortPlan, ReservedPort};
pub use process::Process;
pub use rabbitmq::RabbitMq;
pub use redis::Redis;
pub use resp::Reply;
pub use standalone::Standalone;
pub use status::ProcessStatus;
pub use token::{mint_admin_token, mint_token, random_secret};
pub use tools::Tool;
