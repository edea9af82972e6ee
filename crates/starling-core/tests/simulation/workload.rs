//! What the clients are asked to do: a hot conversation, one whose members come and go, one between two, and a
//! quiet one; all but that between two are governed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use starling_check::Recorder;
use starling_protocol::{ConversationId, Kind, Role, UserId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::asking::Ask;
use crate::client::Device;
use crate::cluster::Cluster;
use crate::plan::Plan;

/// Of the conversations that every run has, their place in [`World::conversations`].
pub(crate) const HOT: usize = 0;
const OPEN: usize = 1;
const DIRECT: usize = 2;
pub(crate) const QUIET: usize = 3;
/// Conversations that are governed, with the user who made each.
const GOVERNED: [(usize, usize); 3] = [(HOT, 0), (OPEN, 1), (QUIET, 2)];

/// Users, their devices, and conversations.
pub(crate) struct World {
    pub(crate) devices: Vec<Arc<Device>>,
    users: Vec<UserId>,
    conversations: Mutex<Vec<ConversationId>>,
}

impl World {
    /// Connects everyone and makes the conversations.
    pub(crate) async fn start(plan: &Plan, cluster: &Arc<Cluster>, recorder: &Arc<Recorder>) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x00c1_1e47);
        let users: Vec<_> = (0..plan.users)
            .map(|number| UserId::new(format!("u{number}")).unwrap())
            .collect();
        let mut devices = Vec::new();
        for user in &users {
            devices.push(Device::start(
                user.as_str(),
                user,
                cluster,
                recorder,
                rng.random(),
            ));
        }
        for user in &users[..2] {
            let name = format!("{user}/phone");
            devices.push(Device::start(&name, user, cluster, recorder, rng.random()));
        }
        let world = Self {
            devices,
            users,
            conversations: Mutex::default(),
        };
        let users = &world.users;
        let all = users[1..].to_vec();
        // In the order of the constants above; each by the user whose number is first.
        for (maker, members, kind, open) in [
            (0, all, Kind::Group, false),
            (1, vec![users[0].clone(), users[2].clone()], Kind::Group, true),
            (0, vec![users[1].clone()], Kind::Direct, false),
            (2, vec![users[0].clone(), users[3].clone()], Kind::Group, false),
        ] {
            let made = world.make(maker, members, kind, open).await;
            world
                .conversations
                .lock()
                .push(made.expect("nothing is disturbed yet"));
        }
        world
    }

    async fn make(
        &self,
        device: usize,
        members: Vec<UserId>,
        kind: Kind,
        open: bool,
    ) -> Option<ConversationId> {
        let (made, id) = oneshot::channel();
        self.devices[device].ask(Ask::Make {
            members,
            kind,
            open,
            made,
        });
        id.await.ok()
    }

    /// One of the conversations, counted round.
    pub(crate) fn conversation(&self, number: usize) -> ConversationId {
        let conversations = self.conversations.lock();
        conversations[number % conversations.len()].clone()
    }

    pub(crate) fn device(&self, number: usize) -> &Arc<Device> {
        &self.devices[number % self.devices.len()]
    }

    /// Asks clients for this and that until the plan's time is over.
    pub(crate) async fn load(self: &Arc<Self>, plan: &Plan) {
        let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x10ad);
        let end = Instant::now() + plan.load;
        while Instant::now() < end {
            self.step(&mut rng);
            sleep(rng.random_range(Duration::ZERO..Duration::from_millis(110))).await;
        }
    }

    fn step(self: &Arc<Self>, rng: &mut StdRng) {
        let device = self.device(rng.random_range(0..60));
        let user = self.users.choose(rng).unwrap();
        match rng.random_range(0..124) {
            0..46 => {
                let conversation = self.somewhere(rng);
                for _ in 0..rng.random_range(1..6) {
                    device.ask(Ask::Say(conversation.clone()));
                }
            }
            46..56 => {
                let conversation = self.somewhere(rng);
                for _ in 0..rng.random_range(1..4) {
                    device.ask(alteration(conversation.clone(), rng));
                }
            }
            56..66 => {
                // Somebody who cannot make up his mind.
                let (conversation, back) = (self.somewhere(rng), rng.random_range(0..3));
                for _ in 0..rng.random_range(2..5) {
                    device.ask(Ask::Edit(conversation.clone(), back));
                }
            }
            66..74 => self.come_or_go(device, rng),
            74..80 => self.add_or_remove(HOT, 0, user, rng),
            80..84 => self.add_or_remove(QUIET, 2, user, rng),
            84..90 => self.remove_a_speaker(user, rng),
            90..94 => device.ask(Ask::Mark(self.somewhere(rng))),
            94..100 => self.make_another(rng),
            100..104 => device.ask(Ask::Read(self.somewhere(rng))),
            _ => self.govern(device, user, rng),
        }
    }

    /// Something that ends in an entry, mostly one that changes a membership.
    pub(crate) fn change(self: &Arc<Self>, quiet: bool, rng: &mut StdRng) -> (Arc<Device>, ConversationId) {
        let user = &self.users[rng.random_range(3..self.users.len())];
        let (number, admin) = if quiet { (QUIET, 2) } else { (HOT, 0) };
        self.add_or_remove(number, admin, user, rng);
        (self.devices[admin].clone(), self.conversation(number))
    }

    fn somewhere(&self, rng: &mut StdRng) -> ConversationId {
        let number = match rng.random_range(0..100) {
            0..66 => HOT,
            66..84 => OPEN,
            84..92 => DIRECT,
            92..96 => QUIET,
            _ => rng.random_range(0..60),
        };
        self.conversation(number)
    }

    fn come_or_go(&self, device: &Device, rng: &mut StdRng) {
        let open = self.conversation(OPEN);
        let ask = if rng.random_bool(0.6) {
            Ask::Join(open.clone())
        } else {
            Ask::Leave(open.clone())
        };
        device.ask(ask);
        if rng.random_bool(0.5) {
            device.ask(Ask::Say(open));
        }
    }

    fn add_or_remove(&self, number: usize, admin: usize, user: &UserId, rng: &mut StdRng) {
        let (conversation, user) = (self.conversation(number), user.clone());
        let ask = if rng.random_bool(0.6) {
            Ask::Add(conversation, user)
        } else {
            Ask::Remove(conversation, user)
        };
        self.devices[admin].ask(ask);
    }

    /// Removes somebody who is just speaking, and mostly adds him again.
    fn remove_a_speaker(self: &Arc<Self>, user: &UserId, rng: &mut StdRng) {
        let hot = self.conversation(HOT);
        for device in self.devices.iter().filter(|device| device.user == *user) {
            for _ in 0..rng.random_range(1..6) {
                device.ask(Ask::Say(hot.clone()));
            }
        }
        self.devices[0].ask(Ask::Remove(hot.clone(), user.clone()));
        if rng.random_bool(0.8) {
            let (world, user) = (self.clone(), user.clone());
            let pause = rng.random_range(Duration::ZERO..Duration::from_millis(600));
            tokio::spawn(async move {
                sleep(pause).await;
                world.devices[0].ask(Ask::Add(hot, user));
            });
        }
    }

    /// Changes what somebody may do, mostly at the wish of who may; a ban or a mute is over soon.
    fn govern(self: &Arc<Self>, presumer: &Arc<Device>, user: &UserId, rng: &mut StdRng) {
        let (number, maker) = *[GOVERNED[0], GOVERNED[0], GOVERNED[1], GOVERNED[2]]
            .choose(rng)
            .unwrap();
        let (conversation, user) = (self.conversation(number), user.clone());
        if user == self.users[maker] {
            return;
        }
        let by = match rng.random_bool(0.8) {
            true => self.devices[maker].clone(),
            false => presumer.clone(),
        };
        let of_him = self.devices.iter().filter(|device| device.user == user);
        let speak = |rng: &mut StdRng| {
            for device in of_him {
                for _ in 0..rng.random_range(0..4) {
                    device.ask(Ask::Say(conversation.clone()));
                }
            }
        };
        let soon = rng.random_range(Duration::ZERO..Duration::from_millis(900));
        match rng.random_range(0..14) {
            0..3 => {
                let role = *[Role::Member, Role::Member, Role::Moderator, Role::Admin]
                    .choose(rng)
                    .unwrap();
                by.ask(Ask::Role(conversation, user, role));
            }
            3..6 => {
                speak(rng);
                let lasts = rng.random_bool(0.5).then(|| soon + Duration::from_millis(200));
                by.ask(Ask::Mute(conversation.clone(), user.clone(), lasts));
                if lasts.is_none() {
                    later(soon, move || by.ask(Ask::Unmute(conversation, user)));
                }
            }
            6..9 => {
                speak(rng);
                by.ask(Ask::Ban(conversation.clone(), user.clone()));
                let admin = self.devices[maker].clone();
                later(soon, move || {
                    admin.ask(Ask::Unban(conversation.clone(), user.clone()));
                    admin.ask(Ask::Add(conversation, user));
                });
            }
            9..11 => {
                // The open one closes now and then.
                let open = (number == OPEN).then(|| rng.random_bool(0.6));
                by.ask(Ask::Update(conversation, open));
            }
            _ => {
                let max_uses = rng.random_bool(0.6).then(|| rng.random_range(1..3));
                let guests: Vec<_> = (0..3)
                    .map(|_| self.device(rng.random_range(0..60)).clone())
                    .collect();
                self.invite(by, conversation, max_uses, guests, soon);
            }
        }
    }

    /// Has an invite made, some join by it, and it is revoked; whoever is last is late for it.
    fn invite(
        self: &Arc<Self>,
        by: Arc<Device>,
        conversation: ConversationId,
        max_uses: Option<u32>,
        guests: Vec<Arc<Device>>,
        lasts: Duration,
    ) {
        let (made, invited) = oneshot::channel();
        by.ask(Ask::Invite {
            conversation: conversation.clone(),
            max_uses,
            made,
        });
        tokio::spawn(async move {
            // Refused, or made by an attempt whose answer, and with it the token, was lost.
            let Ok(invited) = invited.await else { return };
            let Some(token) = invited.token else { return };
            for guest in &guests[1..] {
                guest.ask(Ask::Leave(conversation.clone()));
                guest.ask(Ask::Accept(token.clone()));
            }
            sleep(lasts).await;
            by.ask(Ask::Revoke(conversation, invited.invite));
            guests[0].ask(Ask::Accept(token));
        });
    }

    fn make_another(self: &Arc<Self>, rng: &mut StdRng) {
        let (world, maker) = (self.clone(), rng.random_range(0..self.users.len()));
        let members = self
            .users
            .iter()
            .filter(|_| rng.random_bool(0.5))
            .cloned()
            .collect();
        let open = rng.random_bool(0.3);
        tokio::spawn(async move {
            if let Some(made) = world.make(maker, members, Kind::Group, open).await {
                world.conversations.lock().push(made);
            }
        });
    }
}

/// Something that becomes of one of the last messages; mostly of the same ones, so that they get in each other's way.
fn alteration(conversation: ConversationId, rng: &mut StdRng) -> Ask {
    let back = rng.random_range(0..4);
    match rng.random_range(0..10) {
        0..5 => Ask::Edit(conversation, back),
        5 => Ask::Delete(conversation, back),
        _ => Ask::React {
            conversation,
            back,
            removed: rng.random_bool(0.4),
        },
    }
}

/// Does it after a while.
fn later(pause: Duration, does: impl FnOnce() + Send + 'static) {
    tokio::spawn(async move {
        sleep(pause).await;
        does();
    });
}
