//! Numbers: the caller's own, and, for administrators, those of the whole cluster.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use starling_protocol::{AskMyStats, ClusterStats, Command, ConversationStats, MyStats, Reply};
use utoipa::IntoParams;

use crate::Rest;
use crate::caller::{Admin, Caller};
use crate::error::ApiError;
use crate::examples;
use crate::extract::{InConversation, Options};
use crate::openapi::{AdminErrors, AdminReadErrors, PageErrors};

/// Which days.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsOptions {
    /// 1 to 366 days on which something was said, the newest ones; 30 if absent.
    #[param(minimum = 1, maximum = 366)]
    pub(crate) days: Option<u32>,
}

/// Counts what the caller's conversations hold, and what he has sent in them.
#[utoipa::path(
    get, path = "/v1/me/stats", tag = "people", operation_id = "read_my_stats",
    security(("token" = [])),
    params(StatsOptions),
    responses(
        (status = 200, description = "The numbers.", body = MyStats, example = json!(examples::my_stats())),
        PageErrors
    )
)]
pub(crate) async fn mine(
    State(rest): State<Arc<Rest>>,
    caller: Caller,
    Options(StatsOptions { days }): Options<StatsOptions>,
) -> Result<Json<MyStats>, ApiError> {
    let ask = Command::MyStats(AskMyStats { days });
    match rest.execute(&caller, ask).await? {
        Reply::MyStats(stats) => Ok(Json(stats)),
        _ => Err(ApiError::unexpected_reply()),
    }
}

/// Counts what all conversations hold.
///
/// For tokens with the scope `admin`. It looks at every conversation: ask now and then, not every second. Where counting
/// takes too long, `unavailable`.
#[utoipa::path(
    get, path = "/v1/admin/stats", tag = "administration", operation_id = "read_cluster_stats",
    security(("token" = [])),
    params(StatsOptions),
    responses(
        (status = 200, description = "The numbers.", body = ClusterStats, example = json!(examples::cluster_stats())),
        AdminErrors
    )
)]
pub(crate) async fn of_all(
    State(rest): State<Arc<Rest>>,
    Admin(_admin): Admin,
    Options(StatsOptions { days }): Options<StatsOptions>,
) -> Result<Json<ClusterStats>, ApiError> {
    Ok(Json(rest.engine.cluster_stats(days).await?))
}

/// Counts what was said in any conversation.
///
/// For tokens with the scope `admin`; their user need not be a member.
#[utoipa::path(
    get, path = "/v1/admin/conversations/{id}/stats", tag = "administration",
    operation_id = "read_any_conversation_stats",
    security(("token" = [])),
    params(InConversation, StatsOptions),
    responses(
        (status = 200, description = "The numbers.", body = ConversationStats, example = json!(examples::stats())),
        AdminReadErrors
    )
)]
pub(crate) async fn of_any_conversation(
    State(rest): State<Arc<Rest>>,
    Admin(admin): Admin,
    InConversation { id }: InConversation,
    Options(StatsOptions { days }): Options<StatsOptions>,
) -> Result<Json<ConversationStats>, ApiError> {
    Ok(Json(rest.engine.conversation_stats(&admin, id, days).await?))
}
