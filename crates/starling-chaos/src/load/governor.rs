//! How a conversation is governed meanwhile: roles, bans, mutes, its profile, invites; one thing after the other, and
//! each undone soon, so that most members can talk at any time.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use starling_client::protocol::{
    ClientId, Command, ConversationId, Invite, Moderate, Mute, Reply, Role, SetRole, Update, UserId,
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::cast::{Cast, Conversation};
use super::participant::Participant;

/// Between two things.
const BETWEEN: (f64, f64) = (1.5, 4.5);
/// How long a ban, a mute, another role lasts.
const LASTS: (f64, f64) = (0.3, 1.8);
/// How many join by an invite at most.
const TAKERS: usize = 2;

/// Who sees to one conversation: its admin, and whom he makes one for a while.
pub(super) struct Governor {
    pub(super) cast: Arc<Cast>,
    /// Which of the conversations.
    pub(super) number: usize,
    pub(super) chance: StdRng,
    pub(super) stop: watch::Receiver<bool>,
}

impl Governor {
    /// Governs until the load stops.
    pub(super) async fn govern(mut self) {
        let mut stop = self.stop.clone();
        loop {
            let pause = self.between(BETWEEN);
            if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
            // A command that no node answers is tried until one does: do not wait for it at the end.
            tokio::select! {
                () = self.do_something() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn do_something(&mut self) {
        match self.chance.random_range(0..13) {
            0..3 => self.mute_somebody().await,
            3..5 => self.ban_somebody().await,
            5..8 => self.share_power().await,
            8..10 => self.invite().await,
            10..12 => self.change_the_profile().await,
            _ => self.presume().await,
        }
    }

    async fn mute_somebody(&mut self) {
        let admin = self.admin();
        let Some(other) = self.somebody(&[&admin]) else {
            return;
        };
        self.mute(&admin, &other).await;
    }

    /// With a time at which it ends, or until it is lifted; in any case it is over soon after.
    async fn mute(&mut self, by: &Participant, other: &Participant) {
        let lasts = self.between(LASTS);
        let ends_itself = self.chance.random_bool(0.5);
        let mute = Command::Mute(Mute {
            conversation: self.id(),
            user: other.user().clone(),
            until: ends_itself.then(|| unix_millis(lasts)),
            client_id: self.key(),
            retry: false,
        });
        by.ask(mute).await;
        sleep(lasts).await;
        if !ends_itself {
            let unmute = Command::Unmute(self.moderate(other.user()));
            by.ask(unmute).await;
        }
    }

    async fn ban_somebody(&mut self) {
        let admin = self.admin();
        let floater = self.floater().filter(|_| self.chance.random_bool(0.3));
        let Some(other) = floater.or_else(|| self.somebody(&[&admin])) else {
            return;
        };
        let ban = Command::Ban(self.moderate(other.user()));
        admin.ask(ban).await;
        if self.chance.random_bool(0.5) {
            // In vain, as long as it lasts.
            other.join(&self.id()).await;
        }
        sleep(self.between(LASTS)).await;
        let unban = Command::Unban(self.moderate(other.user()));
        admin.ask(unban).await;
        admin.add(&self.id(), other.user().clone()).await;
    }

    /// Makes another a moderator or an admin for a while, who then governs, too.
    async fn share_power(&mut self) {
        let admin = self.admin();
        let Some(other) = self.somebody(&[&admin]) else {
            return;
        };
        let role = match self.chance.random_bool(0.6) {
            true => Role::Moderator,
            false => Role::Admin,
        };
        self.give(&admin, &other, role).await;
        match self.chance.random_range(0..3) {
            0 if role == Role::Admin => {
                // There are two: the first may step back, and be called again.
                self.give(&admin, &admin, Role::Moderator).await;
                sleep(self.between(LASTS)).await;
                self.give(&other, &admin, Role::Admin).await;
            }
            1 => {
                if let Some(third) = self.somebody(&[&admin, &other]) {
                    self.mute(&other, &third).await;
                }
            }
            _ => {
                let update = self.called_otherwise();
                other.ask(update).await;
            }
        }
        self.give(&admin, &other, Role::Member).await;
        if self.chance.random_bool(0.3) {
            // He has not noticed yet.
            let update = self.called_otherwise();
            other.ask(update).await;
        }
    }

    async fn give(&mut self, by: &Participant, to: &Participant, role: Role) {
        let set = Command::Role(SetRole {
            conversation: self.id(),
            user: to.user().clone(),
            role,
            client_id: self.key(),
            retry: false,
        });
        by.ask(set).await;
    }

    /// Makes an invite, by which some who have left come back, and revokes it.
    async fn invite(&mut self) {
        let (admin, id) = (self.admin(), self.id());
        let expires_at = self
            .chance
            .random_bool(0.4)
            .then(|| unix_millis(Duration::from_secs(20)));
        let invite = Command::Invite(Invite {
            conversation: id.clone(),
            expires_at,
            max_uses: self
                .chance
                .random_bool(0.6)
                .then(|| self.chance.random_range(1..3)),
            client_id: self.key(),
            retry: false,
        });
        // Where the first answer was lost, so is the token.
        let Some(Reply::Invited(invited)) = admin.ask(invite).await else {
            return;
        };
        if let Some(token) = &invited.token {
            for _ in 0..self.chance.random_range(1..=TAKERS) {
                let floater = self.floater().filter(|_| self.chance.random_bool(0.5));
                let Some(taker) = floater.or_else(|| self.somebody(&[&admin])) else {
                    break;
                };
                taker.leave(&id).await;
                if !taker.accept(&id, token).await {
                    admin.add(&id, taker.user().clone()).await;
                }
            }
        }
        if self.chance.random_bool(0.8) {
            admin.revoke(&id, invited.invite.clone()).await;
            if let Some(token) = &invited.token
                && let Some(late) = self.floater()
            {
                late.accept(&id, token).await;
            }
        }
    }

    async fn change_the_profile(&mut self) {
        let admin = self.admin();
        if self.is_open() && self.chance.random_bool(0.3) {
            for open in [false, true] {
                let update = Command::Update(Update {
                    open: Some(open),
                    ..self.nothing()
                });
                admin.ask(update).await;
                sleep(self.between(LASTS)).await;
            }
        } else {
            let update = self.called_otherwise();
            admin.ask(update).await;
        }
    }

    fn called_otherwise(&mut self) -> Command {
        let number = self.chance.random::<u32>();
        let update = self.nothing();
        Command::Update(match self.chance.random_bool(0.5) {
            true => Update {
                name: Some(format!("group {number}")),
                ..update
            },
            false => Update {
                description: Some(format!("about {number}")),
                ..update
            },
        })
    }

    fn nothing(&mut self) -> Update {
        Update {
            conversation: self.id(),
            name: None,
            description: None,
            avatar_url: None,
            open: None,
            client_id: self.key(),
            retry: false,
        }
    }

    /// A plain member governs, and is refused.
    async fn presume(&mut self) {
        let admin = self.admin();
        let Some(member) = self.somebody(&[&admin]) else {
            return;
        };
        let Some(other) = self.somebody(&[&admin, &member]) else {
            return;
        };
        let user = other.user().clone();
        let command = match self.chance.random_range(0..4) {
            0 => Command::Ban(self.moderate(&user)),
            1 => Command::Mute(Mute {
                conversation: self.id(),
                user,
                until: None,
                client_id: self.key(),
                retry: false,
            }),
            2 => Command::Role(SetRole {
                conversation: self.id(),
                user: member.user().clone(),
                role: Role::Admin,
                client_id: self.key(),
                retry: false,
            }),
            _ => self.called_otherwise(),
        };
        member.ask(command).await;
    }

    fn conversation(&self) -> &Conversation {
        &self.cast.conversations[self.number]
    }

    fn id(&self) -> ConversationId {
        self.conversation().id.clone()
    }

    /// Whether one may join it without an invite.
    fn is_open(&self) -> bool {
        !self.conversation().floaters.is_empty()
    }

    fn admin(&self) -> Arc<Participant> {
        Arc::clone(&self.cast.participants[self.conversation().admin])
    }

    /// One of those who stay, with a user other than these.
    fn somebody(&mut self, but: &[&Participant]) -> Option<Arc<Participant>> {
        let stayers = self.cast.conversations[self.number].stayers.iter();
        let participants: Vec<_> = stayers.map(|index| &self.cast.participants[*index]).collect();
        let others: Vec<_> = participants
            .into_iter()
            .filter(|one| but.iter().all(|other| other.user() != one.user()))
            .collect();
        others.choose(&mut self.chance).map(|one| Arc::clone(one))
    }

    /// One of those who come and go.
    fn floater(&mut self) -> Option<Arc<Participant>> {
        let floaters = &self.cast.conversations[self.number].floaters;
        let index = floaters.choose(&mut self.chance)?;
        Some(Arc::clone(&self.cast.participants[*index]))
    }

    fn between(&mut self, (least, most): (f64, f64)) -> Duration {
        Duration::from_secs_f64(self.chance.random_range(least..most))
    }

    fn moderate(&mut self, user: &UserId) -> Moderate {
        Moderate {
            conversation: self.id(),
            user: user.clone(),
            client_id: self.key(),
            retry: false,
        }
    }

    fn key(&mut self) -> Option<ClientId> {
        ClientId::new(format!("governs-{:x}", self.chance.random::<u128>())).ok()
    }
}

/// So long from now, as nodes on the same machine count it.
fn unix_millis(from_now: Duration) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from((now + from_now).as_millis()).unwrap_or(i64::MAX)
}
