//! The session map: per user a hash of connection → incarnation.

use std::collections::HashMap;

use async_trait::async_trait;
use fred::interfaces::HashesInterface;
use fred::types::Value;
use starling_core::ports::{Admission, ConnectionId, Incarnation, SessionMap, SessionRef, Unavailable};
use starling_protocol::UserId;

use crate::client::millis;
use crate::scripts::{CONNECT, DISCONNECT};
use crate::{Redis, keys};

#[async_trait]
impl SessionMap for Redis {
    async fn connect(
        &self,
        user: &UserId,
        session: &SessionRef,
        limit: Option<usize>,
        dead: &[Incarnation],
    ) -> Result<Admission, Unavailable> {
        let mut args: Vec<Value> = vec![
            session.connection.as_str().into(),
            session.incarnation.as_str().into(),
            limit
                .map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
                .into(),
            millis(self.settings().session_ttl),
        ];
        args.extend(dead.iter().map(|dead| Value::from(dead.as_str())));
        let entered: i64 = self
            .script("connect", user, &CONNECT, vec![keys::user(user)], args)
            .await?;
        Ok(if entered == 1 {
            Admission::Admitted
        } else {
            Admission::Full
        })
    }

    async fn disconnect(&self, user: &UserId, session: &SessionRef) -> Result<(), Unavailable> {
        let args = vec![
            session.connection.as_str().into(),
            session.incarnation.as_str().into(),
        ];
        Ok(self
            .script("disconnect", user, &DISCONNECT, vec![keys::user(user)], args)
            .await?)
    }

    async fn sessions(&self, users: &[UserId]) -> Result<Vec<Vec<SessionRef>>, Unavailable> {
        let found: Vec<HashMap<String, String>> = self
            .run_for_each("sessions", users, async |redis, user| {
                redis.hgetall(keys::user(user)).await
            })
            .await?;
        let sessions = |found: HashMap<String, String>| {
            let sessions = found.into_iter().map(|(connection, incarnation)| SessionRef {
                connection: ConnectionId::from_wire(&connection),
                incarnation: Incarnation::from_wire(&incarnation),
            });
            sessions.collect()
        };
        Ok(found.into_iter().map(sessions).collect())
    }
}
