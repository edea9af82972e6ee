//! Governing a conversation: roles, bans, mutes, what it is called, invites.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use starling_protocol::{
    Accept, ClientId, Command, Invite, Invited, Invites, ListInvites, ListSanctions, Moderate, Mute, Reply,
    Revoke, Role, Sanctions, Sent, SetRole, Update, UserId,
};
use utoipa::{IntoParams, ToSchema};

use crate::Rest;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::examples;
use crate::extract::{Body, InConversation, InviteOf, MemberOf, Options};
use crate::openapi::{AcceptErrors, GovernErrors, LiftErrors, ReadAsModeratorErrors, RoleErrors};

type Answer<T> = Result<Json<T>, ApiError>;

/// What of a conversation is to change: what is absent stays, an empty text is taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationChange {
    /// 1 to 200 characters.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// 1 to 2,000 characters.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// An https URL without user and password, of at most 2,048 bytes.
    #[schema(max_length = 2048)]
    avatar_url: Option<String>,
    /// Whether anyone may join by himself.
    open: Option<bool>,
}

/// A role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// The role from now on.
    role: Role,
}

/// How long a mute lasts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMute {
    /// Until when, in milliseconds since the Unix epoch; absent: until it is lifted.
    #[schema(minimum = 1)]
    until: Option<i64>,
}

/// An invite to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvite {
    /// Until when it is good, in milliseconds since the Unix epoch; absent: until it is revoked.
    #[schema(minimum = 1)]
    expires_at: Option<i64>,
    /// How many may join by it; absent: any number.
    #[schema(minimum = 1)]
    max_uses: Option<u32>,
    /// With the same one it is made once, however often it is asked for. A retry is told the same token.
    client_id: Option<ClientId>,
}

/// Which page of those who are banned or muted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SanctionsOptions {
    /// The last user of the page before (its `next`).
    after: Option<UserId>,
    /// 1 to 200 users, 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Changes what a conversation is called, and who may join it. Moderators and admins may.
#[utoipa::path(
    patch, path = "/v1/conversations/{id}", tag = "conversations", operation_id = "update_conversation",
    security(("token" = [])),
    params(InConversation),
    request_body(content = ConversationChange, example = json!({"description": "What is said at night.", "open": true})),
    responses(
        (status = 200, description = "It is so from this entry on.", body = Sent, example = json!(examples::change())),
        GovernErrors
    )
)]
pub(crate) async fn update(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(change): Body<ConversationChange>,
) -> Answer<Sent> {
    let update = Update {
        conversation: id,
        name: change.name,
        description: change.description,
        avatar_url: change.avatar_url,
        open: change.open,
        client_id: None,
        retry: false,
    };
    rest.store(&caller, Command::Update(update)).await.map(Json)
}

/// Gives a member another role. Admins may; the last one cannot step down.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/members/{user}/role", tag = "members", operation_id = "set_role",
    security(("token" = [])),
    params(MemberOf),
    request_body(content = NewRole, example = json!({"role": "moderator"})),
    responses(
        (status = 200, description = "The member has the role from this entry on.", body = Sent, example = json!(examples::change())),
        RoleErrors
    )
)]
pub(crate) async fn set_role(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    MemberOf { id, user }: MemberOf,
    Body(NewRole { role }): Body<NewRole>,
) -> Answer<Sent> {
    let set = SetRole {
        conversation: id,
        user,
        role,
        client_id: None,
        retry: false,
    };
    rest.store(&caller, Command::Role(set)).await.map(Json)
}

/// Bans a user, and ends his membership if he has one. Moderators and admins may, with those of a lower role.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/bans/{user}", tag = "members", operation_id = "ban",
    security(("token" = [])),
    params(MemberOf),
    responses(
        (status = 200, description = "The user is banned from this entry on.", body = Sent, example = json!(examples::change())),
        LiftErrors
    )
)]
pub(crate) async fn ban(State(rest): State<Arc<Rest>>, caller: Caller, whom: MemberOf) -> Answer<Sent> {
    rest.store(&caller, Command::Ban(whom.into())).await.map(Json)
}

/// Lifts a ban. Moderators and admins may.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/bans/{user}", tag = "members", operation_id = "unban",
    security(("token" = [])),
    params(MemberOf),
    responses(
        (status = 200, description = "The user may become a member again from this entry on.", body = Sent, example = json!(examples::change())),
        LiftErrors
    )
)]
pub(crate) async fn unban(State(rest): State<Arc<Rest>>, caller: Caller, whom: MemberOf) -> Answer<Sent> {
    rest.store(&caller, Command::Unban(whom.into())).await.map(Json)
}

/// Keeps a member from speaking. Moderators and admins may, with those of a lower role.
#[utoipa::path(
    put, path = "/v1/conversations/{id}/mutes/{user}", tag = "members", operation_id = "mute",
    security(("token" = [])),
    params(MemberOf),
    request_body(content = NewMute, example = json!({"until": 4_102_444_800_000_i64})),
    responses(
        (status = 200, description = "The member is muted from this entry on.", body = Sent, example = json!(examples::change())),
        RoleErrors
    )
)]
pub(crate) async fn mute(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    MemberOf { id, user }: MemberOf,
    Body(NewMute { until }): Body<NewMute>,
) -> Answer<Sent> {
    let mute = Mute {
        conversation: id,
        user,
        until,
        client_id: None,
        retry: false,
    };
    rest.store(&caller, Command::Mute(mute)).await.map(Json)
}

/// Lets a member speak again. Moderators and admins may.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/mutes/{user}", tag = "members", operation_id = "unmute",
    security(("token" = [])),
    params(MemberOf),
    responses(
        (status = 200, description = "The user may speak again from this entry on.", body = Sent, example = json!(examples::change())),
        LiftErrors
    )
)]
pub(crate) async fn unmute(State(rest): State<Arc<Rest>>, caller: Caller, whom: MemberOf) -> Answer<Sent> {
    rest.store(&caller, Command::Unmute(whom.into())).await.map(Json)
}

/// Lists those who are banned or muted, by user. Moderators and admins may.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/sanctions", tag = "members", operation_id = "list_sanctions",
    security(("token" = [])),
    params(InConversation, SanctionsOptions),
    responses(
        (status = 200, description = "A page.", body = Sanctions, example = json!(examples::sanctions())),
        ReadAsModeratorErrors
    )
)]
pub(crate) async fn sanctions(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Options(SanctionsOptions { after, limit }): Options<SanctionsOptions>,
) -> Answer<Sanctions> {
    let list = ListSanctions {
        conversation: id,
        after,
        limit,
    };
    match rest.execute(&caller, Command::Sanctions(list)).await? {
        Reply::Sanctions(page) => Ok(Json(page)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Makes an invite: a link by which others join. Moderators and admins may.
///
/// The token is only in this answer: nothing but its hash is stored.
#[utoipa::path(
    post, path = "/v1/conversations/{id}/invites", tag = "members", operation_id = "make_invite",
    security(("token" = [])),
    params(InConversation),
    request_body(content = NewInvite, example = json!({"max_uses": 10})),
    responses(
        (status = 201, description = "There is an invite from this entry on.", body = Invited, example = json!(examples::invited())),
        GovernErrors
    )
)]
pub(crate) async fn invite(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
    Body(new): Body<NewInvite>,
) -> Result<(StatusCode, Json<Invited>), ApiError> {
    let invite = Invite {
        conversation: id,
        expires_at: new.expires_at,
        max_uses: new.max_uses,
        // It may be a first try: to look first costs little here.
        retry: new.client_id.is_some(),
        client_id: new.client_id,
    };
    match rest.execute(&caller, Command::Invite(invite)).await? {
        Reply::Invited(made) => Ok((StatusCode::CREATED, Json(made))),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Lists the invites that are in force. Moderators and admins may.
#[utoipa::path(
    get, path = "/v1/conversations/{id}/invites", tag = "members", operation_id = "list_invites",
    security(("token" = [])),
    params(InConversation),
    responses(
        (status = 200, description = "The invites.", body = Invites, example = json!(examples::invites())),
        ReadAsModeratorErrors
    )
)]
pub(crate) async fn invites(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InConversation { id }: InConversation,
) -> Answer<Invites> {
    let list = ListInvites { conversation: id };
    match rest.execute(&caller, Command::Invites(list)).await? {
        Reply::Invites(invites) => Ok(Json(invites)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Ends an invite for good. Moderators and admins may.
#[utoipa::path(
    delete, path = "/v1/conversations/{id}/invites/{invite}", tag = "members", operation_id = "revoke_invite",
    security(("token" = [])),
    params(InviteOf),
    responses(
        (status = 200, description = "Nobody joins by it from this entry on.", body = Sent, example = json!(examples::change())),
        LiftErrors
    )
)]
pub(crate) async fn revoke(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    InviteOf { id, invite }: InviteOf,
) -> Answer<Sent> {
    let revoke = Revoke {
        conversation: id,
        invite,
    };
    rest.store(&caller, Command::Revoke(revoke)).await.map(Json)
}

/// Becomes a member by an invite.
#[utoipa::path(
    post, path = "/v1/invites/accept", tag = "members", operation_id = "accept_invite",
    security(("token" = [])),
    request_body(content = Accept, example = json!(examples::accept())),
    responses(
        (status = 200, description = "The caller is a member from this entry on.", body = Sent, example = json!(examples::change())),
        AcceptErrors
    )
)]
pub(crate) async fn accept(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Body(accept): Body<Accept>,
) -> Answer<Sent> {
    rest.store(&caller, Command::Accept(accept)).await.map(Json)
}

impl From<MemberOf> for Moderate {
    fn from(MemberOf { id, user }: MemberOf) -> Self {
        Self {
            conversation: id,
            user,
            client_id: None,
            retry: false,
        }
    }
}
