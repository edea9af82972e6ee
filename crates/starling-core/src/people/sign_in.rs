//! Signing in, taking the next tokens, signing out.

use std::net::IpAddr;
use std::time::Duration;

use starling_protocol::{
    Error, ErrorCode, Refresh, SignIn, SignOut, SignedInSession, SignedInSessions, Tokens, UserId,
};

use super::codes::parse;
use super::refresh_token::RefreshToken;
use super::{People, invalid};
use crate::chance;
use crate::node_message::NodeMessage;
use crate::ports::{Digest, Replacement, Rotation, SignInId, SignInRecord};
use crate::time::unix_millis;

/// Sessions in the list of a user's sessions.
const LISTED: usize = 100;
/// Sessions of one user that are told to other nodes by name when all end; they find the others by asking the store.
const TOLD: usize = 1_000;

impl People {
    /// Signs a user in with a code. The first time makes the user.
    ///
    /// # Errors
    /// `invalid`; `wrong_code`; `rate_limited`; `forbidden` where nobody signs in by phone; `unavailable`: the code may
    /// be used up then.
    pub async fn sign_in(&self, request: SignIn, from: IpAddr) -> Result<Tokens, Error> {
        self.by_phone()?;
        request.check()?;
        let phone = parse(&request.phone)?;
        self.try_code(&phone, &request.code, from).await?;
        let name = request.name.as_deref().map(str::trim);
        let accounts = &self.shared.ports.people.accounts;
        let (user, new_user) = accounts.register(&phone, &fresh_user(), name).await?;
        // After what may well fail, and before anything is given out.
        self.use_code(&phone, &request.code).await?;
        let settings = &self.shared.settings.people;
        let now = unix_millis();
        let record = SignInRecord {
            id: SignInId::fresh(),
            user: user.clone(),
            device: request.device.map(|device| device.trim().to_owned()),
            created_at: now,
            used_at: now,
            expires_at: after(now, settings.refresh_life),
        };
        let token = RefreshToken::new(&self.shared.people.keys, record.id.clone(), &random());
        let sign_ins = &self.shared.ports.people.sign_ins;
        sign_ins.begin(&record, &token.digest()).await?;
        let outcome = if new_user { "registered" } else { "signed_in" };
        metrics::counter!("starling_sign_ins_total", "outcome" => outcome).increment(1);
        let mut tokens = self.tokens(user, &token)?;
        tokens.new_user = new_user;
        Ok(tokens)
    }

    /// Takes the next tokens. A token that was replaced longer ago than the grace is a copied one: the session ends.
    ///
    /// # Errors
    /// `unauthenticated`: sign in again. `unavailable`: ask again with the same token, within a minute.
    pub async fn refresh(&self, request: &Refresh) -> Result<Tokens, Error> {
        self.by_phone()?;
        request.check()?;
        let keys = &self.shared.people.keys;
        let shown = RefreshToken::parse(&request.refresh_token)
            .ok_or_else(|| unauthenticated("this is no refresh token"))?;
        let settings = &self.shared.settings.people;
        let salt = random();
        let next = shown.next(keys, &salt);
        let now = unix_millis();
        let replacement = Replacement {
            digest: next.digest(),
            salt,
            at: now,
            expires_at: after(now, settings.refresh_life),
            grace: settings.refresh_grace,
        };
        let sign_ins = &self.shared.ports.people.sign_ins;
        let rotation = sign_ins.rotate(&shown.id, &shown.digest(), &replacement).await?;
        let (outcome, result) = match rotation {
            Rotation::Rotated(user) => ("rotated", self.tokens(user, &next)),
            Rotation::Repeated { user, salt } => ("repeated", self.tokens(user, &shown.next(keys, &salt))),
            Rotation::Stale(user) if shown.is_genuine(keys) => {
                tracing::warn!(%user, sign_in = %shown.id, "a refresh token was used twice: the session ends");
                self.end(&user, &shown.id).await?;
                let error = unauthenticated("the token was used before: the session is ended, sign in again");
                ("reused", Err(error))
            }
            Rotation::Stale(_) | Rotation::Over => (
                "refused",
                Err(unauthenticated("the session is over: sign in again")),
            ),
        };
        metrics::counter!("starling_refreshes_total", "outcome" => outcome).increment(1);
        result
    }

    /// Ends the session that a request came by, or all of the user's.
    ///
    /// # Errors
    /// `invalid` where it came by a token of no session, and all are not meant; `unavailable`: some may be ended.
    pub async fn sign_out(
        &self,
        user: &UserId,
        sign_in: Option<&SignInId>,
        request: &SignOut,
    ) -> Result<(), Error> {
        let sign_ins = &self.shared.ports.people.sign_ins;
        if request.everywhere {
            let ids = sign_ins.of_user(user, TOLD).await?;
            sign_ins.end_all(user).await?;
            self.ended(user, ids.into_iter().map(|record| record.id).collect())
                .await;
            return Ok(());
        }
        match sign_in {
            Some(id) => self.end(user, id).await,
            None => Err(invalid(
                "the token belongs to no session here: whoever issued it ends it",
            )),
        }
    }

    /// Ends one of the user's sessions. One that is over, or not his, is left alone.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn end_session(&self, user: &UserId, id: &str) -> Result<(), Error> {
        self.end(user, &SignInId::from_wire(id)).await
    }

    /// The user's sessions; `current` is the one that asks.
    ///
    /// # Errors
    /// `unavailable`.
    pub async fn sessions(
        &self,
        user: &UserId,
        current: Option<&SignInId>,
    ) -> Result<SignedInSessions, Error> {
        let records = self.shared.ports.people.sign_ins.of_user(user, LISTED).await?;
        let sessions = records.into_iter().map(|record| SignedInSession {
            current: current == Some(&record.id),
            id: record.id.to_string(),
            device: record.device,
            created_at: record.created_at,
            used_at: record.used_at,
        });
        Ok(SignedInSessions {
            sessions: sessions.collect(),
        })
    }

    async fn end(&self, user: &UserId, id: &SignInId) -> Result<(), Error> {
        if self.shared.ports.people.sign_ins.end(user, id).await? {
            self.ended(user, vec![id.clone()]).await;
        }
        Ok(())
    }

    async fn ended(&self, user: &UserId, ids: Vec<SignInId>) {
        metrics::counter!("starling_sign_outs_total").increment(ids.len() as u64);
        self.shared.people.ended.note(ids.iter().cloned());
        let names = ids.iter().map(ToString::to_string).collect();
        self.shared
            .tell_nodes_of(user, NodeMessage::SignedOut(names))
            .await;
    }

    fn tokens(&self, user: UserId, refresh: &RefreshToken) -> Result<Tokens, Error> {
        let issuer = self.by_phone()?.issuer;
        let settings = &self.shared.settings.people;
        Ok(Tokens {
            access_token: issuer.issue(&user, &refresh.id, settings.access_life)?,
            user,
            session: refresh.id.to_string(),
            expires_in: settings.access_life.as_secs(),
            refresh_token: refresh.text(),
            refresh_expires_in: settings.refresh_life.as_secs(),
            new_user: false,
        })
    }
}

/// An id that says nothing about the number it belongs to.
fn fresh_user() -> UserId {
    match UserId::new(format!("u-{}", chance::fresh_name())) {
        Ok(id) => id,
        Err(_) => unreachable!("a UUID is a valid user id"),
    }
}

fn random() -> Digest {
    let mut bytes = Digest::default();
    chance::draw(|rng| rng.fill_bytes(&mut bytes));
    bytes
}

fn after(now: i64, life: Duration) -> i64 {
    now.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX))
}

fn unauthenticated(message: &str) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
}
