//! The HTTP API: `POST /orders` and `GET /orders/{id}`, and `GET /livez` for health checks.
//!
//! An order is taken before anything has happened to it, so `POST` answers 202, and `GET` answers from
//! the read model: `processing` until the order has ended. There is no authentication: who uses this
//! for more than an example puts the caller into the idempotency key.

use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fanfare::topology::{Service, TableAction};
use fanfare::{Clock, new_id};
use fanfare_store::{CommitError, IdempotencyKey, Relay};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::checkout::{self, Checkout, PlaceError};
use crate::orders_view::{self, PROCESSING};
use crate::relayed::relayed;
use crate::tables::{ORDERS, VIEWS};
use crate::{Deps, Order, order, reader};

/// The service's name.
pub const NAME: &str = "api";

/// The port that it listens on where it is deployed.
const PORT: u16 = 8080;

/// How long open requests have to end at a shutdown.
const DRAIN: Duration = Duration::from_secs(20);

/// The longest body, in bytes: an order is far shorter.
const MAX_BODY: usize = 16 * 1024;

/// The longest idempotency key, in bytes.
const MAX_KEY: usize = 200;

/// The name of the header (the IETF's draft of that name).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

struct Api {
    checkout: Checkout,
    dynamo: Client,
    clock: Clock,
}

/// What runs it.
pub fn service() -> Service {
    Service::new(NAME)
        .table(ORDERS.name, [TableAction::Get, TableAction::Put])
        .table(VIEWS.name, [TableAction::Get])
        .port(PORT)
}

/// The API over these.
pub fn router(deps: &Deps) -> Router {
    let api = Api {
        checkout: Checkout::new(deps),
        dynamo: deps.dynamo.clone(),
        clock: deps.clock.clone(),
    };
    Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(show))
        .route("/livez", get(async || "alive"))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(api))
}

/// Serves the API until `shutdown` resolves and open requests have ended, and relays what it commits.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    deps: &Deps,
    relay: &Relay,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let (stop, stopped) = oneshot::channel();
    let serving = axum::serve(listener, router(deps)).with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stop.send(());
    });
    // A client that neither asks nor goes away must not hold up the end.
    let late = async {
        let _ = stopped.await;
        tokio::time::sleep(DRAIN).await;
    };
    let served = async {
        tokio::select! {
            biased;
            served = serving.into_future() => served,
            () = late => Ok(()),
        }
    };
    relayed(relay, served).await.context("the HTTP API broke off")
}

/// What went wrong, as the caller sees it.
#[derive(Debug, Serialize)]
struct Problem {
    #[serde(skip)]
    status: StatusCode,
    error: String,
    /// Where in the body, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            line: None,
            column: None,
        }
    }

    fn inside(error: &anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "a request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the shop can't be reached: try again",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

impl From<PlaceError> for Problem {
    fn from(error: PlaceError) -> Self {
        match &error {
            PlaceError::Differs { .. } | PlaceError::Commit(CommitError::InFlight { .. }) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            PlaceError::Commit(CommitError::KeyReused { .. }) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            _ => Self::inside(&error.into()),
        }
    }
}

async fn place(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let key = idempotency_key(&headers, &body)?;
    let order = read_order(&api.clock, &body)?;
    let order = api.checkout.place(order, key).await?.into_order();
    let location = format!("/orders/{}", path_segment(&order.id));
    let answer = Json(json!({ "order_id": order.id, "status": PROCESSING }));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], answer).into_response())
}

/// An order as it is asked for.
#[derive(Deserialize)]
struct Wanted {
    /// A new one is made where there is none.
    #[serde(default, deserialize_with = "order::optional_order_id")]
    order_id: Option<String>,
    #[serde(deserialize_with = "order::customer_id")]
    customer_id: String,
    #[serde(deserialize_with = "order::placed_on")]
    placed_on: String,
    #[serde(deserialize_with = "order::quantity")]
    quantity: u32,
    #[serde(deserialize_with = "order::total_cents")]
    total_cents: i64,
}

fn read_order(clock: &Clock, body: &[u8]) -> Result<Order, Problem> {
    let wanted: Wanted = reader::object(body).map_err(|bad| Problem {
        line: Some(bad.line),
        column: Some(bad.column),
        ..Problem::new(StatusCode::BAD_REQUEST, bad.reason)
    })?;
    Ok(Order {
        id: wanted.order_id.unwrap_or_else(|| new_id(clock)),
        customer: wanted.customer_id,
        placed_on: wanted.placed_on,
        quantity: wanted.quantity,
        total_cents: wanted.total_cents,
    })
}

fn idempotency_key(headers: &HeaderMap, body: &[u8]) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = key.to_str().ok().filter(|key| (1..=MAX_KEY).contains(&key.len()));
    let Some(key) = key else {
        let error = format!("{IDEMPOTENCY_KEY}: must be 1 to {MAX_KEY} ASCII characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, error));
    };
    Ok(Some(IdempotencyKey::of("anonymous", "POST /orders", key, body)))
}

/// An id as a segment of a path: all but letters, digits and `-._~` as percent signs and hex digits
/// (RFC 3986).
fn path_segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => segment.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => segment.push(char::from(byte)),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

/// How an order stands.
#[derive(Debug, Serialize)]
struct Standing {
    order_id: String,
    /// `processing`, or how it ended.
    status: &'static str,
    /// What has happened to it so far.
    history: Vec<&'static str>,
}

async fn show(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Json<Standing>, Problem> {
    let view = orders_view::view(&api.dynamo, &id).await;
    let standing = match view.map_err(|error| Problem::inside(&error))? {
        Some(view) => Standing {
            status: view.status(),
            history: view.facts.iter().map(|fact| fact.name()).collect(),
            order_id: id,
        },
        None => {
            let known = checkout::knows(&api.dynamo, &id).await;
            if !known.map_err(|error| Problem::inside(&error))? {
                return Err(Problem::new(
                    StatusCode::NOT_FOUND,
                    format!("there is no order {id}"),
                ));
            }
            Standing {
                order_id: id,
                status: PROCESSING,
                history: Vec::new(),
            }
        }
    };
    Ok(Json(standing))
}
