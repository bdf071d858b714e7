use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};
use shop::events::{OrderPlaced, PaymentFailed};
use shop::http::router;
use shop::tables::ORDERS;
use tower::ServiceExt;

use crate::bench::{Bench, order};

/// What the API answers: the status, the place it points to, and the body.
struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Value,
}

async fn call(api: &Router, request: Request<Body>) -> anyhow::Result<Answer> {
    let response = api.clone().oneshot(request).await?;
    let status = response.status();
    let location = response.headers().get(header::LOCATION);
    let location = location
        .map(|location| location.to_str().map(str::to_owned))
        .transpose()?;
    let bytes = axum::body::to_bytes(response.into_body(), 1024 * 1024).await?;
    Ok(Answer {
        status,
        location,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    })
}

async fn post(api: &Router, body: &str, key: Option<&str>) -> anyhow::Result<Answer> {
    let mut request = Request::post("/orders").header(header::CONTENT_TYPE, "application/json");
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    call(api, request.body(Body::from(body.to_owned()))?).await
}

async fn get(api: &Router, path: &str) -> anyhow::Result<Answer> {
    call(api, Request::get(path).body(Body::empty())?).await
}

fn body(id: Option<&str>) -> String {
    let mut body = json!({
        "customer_id": "00004", "placed_on": "1997-01-01", "quantity": 2, "total_cents": 2933,
    });
    if let Some(id) = id {
        body["order_id"] = id.into();
    }
    body.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_order_is_accepted_with_its_id_and_its_place() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    let answer = post(&api, &body(Some("a 1/é"))[..], None).await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "not an id");

    let answer = post(&api, &body(Some("a/1")), None).await?;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(answer.body["order_id"], "a/1");
    let place = answer.location.expect("a Location");
    assert_eq!(place, "/orders/a%2F1");
    let answer = get(&api, &place).await?;
    assert_eq!(
        (answer.status, &answer.body["order_id"]),
        (StatusCode::OK, &json!("a/1"))
    );
    assert_eq!(bench.types().await?, ["order.placed"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_without_an_id_gets_one() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    let ids = [
        post(&api, &body(None), None).await?,
        post(&api, &body(None), None).await?,
    ];
    assert!(ids.iter().all(|answer| answer.status == StatusCode::ACCEPTED));
    assert_ne!(ids[0].body["order_id"], ids[1].body["order_id"]);
    assert_eq!(bench.items(ORDERS).await?.len(), 2);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_repeat_under_an_idempotency_key_gets_the_first_ones_order() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    let first = post(&api, &body(None), Some("key")).await?;
    let again = post(&api, &body(None), Some("key")).await?;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.body, first.body);
    assert_eq!(again.location, first.location);
    assert_eq!(bench.items(ORDERS).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_requests_at_once_under_one_key_are_one_order() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    let body = body(None);
    let (one, other) = tokio::join!(post(&api, &body, Some("key")), post(&api, &body, Some("key")));
    for answer in [one?, other?] {
        let answered = [StatusCode::ACCEPTED, StatusCode::CONFLICT];
        assert!(answered.contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(bench.items(ORDERS).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn another_body_under_the_same_key_is_refused() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    post(&api, &body(Some("a")), Some("key")).await?;
    let answer = post(&api, &body(Some("b")), Some("key")).await?;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.items(ORDERS).await?.len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_same_order_without_a_key_is_accepted_again_and_another_under_its_id_is_not() -> anyhow::Result<()>
{
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    for _ in 0..2 {
        let answer = post(&api, &body(Some("a")), None).await?;
        assert_eq!(answer.status, StatusCode::ACCEPTED);
    }
    let other = body(Some("a")).replace("2933", "1");
    assert_eq!(post(&api, &other, None).await?.status, StatusCode::CONFLICT);
    assert_eq!(bench.types().await?, ["order.placed"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_answered_with_what_is_wrong_and_where() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    let text =
        "{\"customer_id\": \"4\",\n \"placed_on\": \"1997-02-29\", \"quantity\": 1, \"total_cents\": 1}";
    let answer = post(&api, text, None).await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.body["error"],
        "placed_on: must be a day of the calendar as YYYY-MM-DD"
    );
    assert_eq!(
        (&answer.body["line"], &answer.body["column"]),
        (&json!(2), &json!(26))
    );

    for (text, error) in [
        ("", "EOF while parsing a value"),
        ("{\"customer_id\": \"4\"}", "missing field `placed_on`"),
        ("[]", "must be a JSON object"),
    ] {
        let answer = post(&api, text, None).await?;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}");
        assert_eq!(answer.body["error"], error);
    }
    let answer = post(&api, &body(None), Some("")).await?;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(bench.items(ORDERS).await?.is_empty());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_stands_as_the_read_model_says_and_processing_until_it_says_anything() -> anyhow::Result<()>
{
    let bench = Bench::new().await?;
    let api = router(&bench.deps);
    post(&api, &body(Some("a")), None).await?;
    let answer = get(&api, "/orders/a").await?;
    assert_eq!(
        answer.body,
        json!({ "order_id": "a", "status": "processing", "history": [] })
    );

    let of_a = order("a");
    bench
        .apply("orders-view", &OrderPlaced { order: of_a.clone() })
        .await?;
    assert_eq!(
        get(&api, "/orders/a").await?.body,
        json!({ "order_id": "a", "status": "processing", "history": ["placed"] })
    );
    let failed = PaymentFailed {
        order: of_a,
        limit_cents: 1,
    };
    bench.apply("orders-view", &failed).await?;
    assert_eq!(
        get(&api, "/orders/a").await?.body,
        json!({ "order_id": "a", "status": "payment_failed", "history": ["placed", "payment_failed"] })
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_placed_is_not_found() -> anyhow::Result<()> {
    let bench = Bench::new().await?;
    let answer = get(&router(&bench.deps), "/orders/nobody").await?;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body["error"], "there is no order nobody");
    Ok(())
}
