//! The server: accepts browsers and answers them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::site::{Reader, Site};
use super::view::Verb;
use super::words::{Language, Word};
use super::{live, render};
use crate::env::{BoxListener, BoxStream};
use crate::limits::{PAGE_CONNECTIONS, PAGE_FORM, PAGE_HEADERS, PAGE_IDLE};
use crate::shutdown::Shutdown;

/// Answers browsers until the shutdown.
pub(super) async fn serve(site: Arc<Site>, mut listener: BoxListener, shutdown: Shutdown) {
    let router = router(site);
    let places = Arc::new(Semaphore::new(PAGE_CONNECTIONS));
    let mut browsers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = browsers.join_next() => continue,
            () = shutdown.wait() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        // One too many is hung up on.
        if let Ok(place) = places.clone().try_acquire_owned() {
            let router = router.clone();
            browsers.spawn(async move {
                converse(stream, router).await;
                drop(place);
            });
        }
    }
}

async fn converse(stream: BoxStream, router: Router) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PAGE_IDLE)
        .max_buf_size(PAGE_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a browser has gone");
    }
}

fn router(site: Arc<Site>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/events", get(live::events))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .route("/names", post(names))
        .route("/act", post(act))
        .route("/sure/{verb}/{item}", get(sure))
        .route("/language/{tag}", get(language))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route(
            "/page.css",
            get(|| asset("text/css; charset=utf-8", include_str!("assets/page.css"))),
        )
        .route(
            "/live.js",
            get(|| {
                asset(
                    "text/javascript; charset=utf-8",
                    include_str!("assets/live.js"),
                )
            }),
        )
        .route(
            "/icon.svg",
            get(|| asset("image/svg+xml", include_str!("assets/icon.svg"))),
        )
        .layer(DefaultBodyLimit::max(PAGE_FORM))
        .layer(middleware::from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

/// Nothing but our own files is loaded, no other site can send our forms or frame us.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let mut response = match site.is_ours(&request) {
        true => next.run(request).await,
        false => StatusCode::FORBIDDEN.into_response(),
    };
    const HEADERS: [(HeaderName, &str); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn home(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let reader = site.reader(&headers, true);
    let view = match site.view().await {
        Ok(view) => view,
        Err(failure) => return unavailable(&failure),
    };
    let names = site.names(&reader, true).await;
    Html(render::page(reader.see(), &view, &names)).into_response()
}

pub(super) fn unavailable(failure: &crate::Failure) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()).into_response()
}

async fn login_page(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let problem = site.nobody().then_some(Word::NoUsers);
    login_form(&site, &headers, problem, StatusCode::OK).await
}

async fn login_form(
    site: &Arc<Site>,
    headers: &HeaderMap,
    problem: Option<Word>,
    code: StatusCode,
) -> Response {
    let reader = site.reader(headers, false);
    match site.view().await {
        Ok(view) => (code, Html(render::login(reader.see(), &view, problem))).into_response(),
        Err(failure) => unavailable(&failure),
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn login(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Response {
    match site.log_in(given.name, given.password).await {
        Ok(token) => {
            let cookie = format!("karez={token}; Path=/; HttpOnly; SameSite=Strict");
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(problem) => login_form(&site, &headers, Some(problem), StatusCode::FORBIDDEN).await,
    }
}

/// What a form brings back at least.
#[derive(Deserialize)]
struct Token {
    csrf: String,
}

async fn logout(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(form): Form<Token>,
) -> Response {
    if let Some(reader) = site.confirmed(&headers, &form.csrf) {
        site.log_out(&reader);
    }
    let gone = "karez=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";
    ([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response()
}

async fn names(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(form): Form<Token>,
) -> Response {
    if let Some(reader) = site.confirmed(&headers, &form.csrf) {
        site.turn_names(&reader);
    }
    Redirect::to("/").into_response()
}

#[derive(Deserialize)]
struct Wish {
    csrf: String,
    verb: String,
    item: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    other: String,
}

async fn act(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Response {
    let Some(reader) = site.confirmed(&headers, &wish.csrf) else {
        return login_form(&site, &headers, Some(Word::Expired), StatusCode::FORBIDDEN).await;
    };
    let Some(verb) = Verb::of(&wish.verb) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let reason = match wish.other.trim() {
        "" => wish.reason,
        other => other.to_owned(),
    };
    site.act(&reader, verb, wish.item, reason).await;
    Redirect::to("/").into_response()
}

async fn sure(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    Path((verb, item)): Path<(String, String)>,
) -> Response {
    let reader: Reader = site.reader(&headers, false);
    let Some(verb) = Verb::of(&verb).filter(|v| v.asks_why()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if reader.session.is_none() {
        return Redirect::to("/login").into_response();
    }
    match site.view().await {
        Ok(view) => Html(render::sure(reader.see(), &view, verb, &item)).into_response(),
        Err(failure) => unavailable(&failure),
    }
}

async fn language(Path(tag): Path<String>) -> Response {
    let Some(language) = Language::of_tag(&tag) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let cookie = format!(
        "language={}; Path=/; SameSite=Lax; Max-Age=31536000",
        language.tag()
    );
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// 200 while the daemon's engine answers, else 503.
async fn health(State(site): State<Arc<Site>>) -> Response {
    match site.view().await {
        Ok(_) => (StatusCode::OK, "ok\n").into_response(),
        Err(failure) => unavailable(&failure),
    }
}

/// Figures in Prometheus's text form.
async fn metrics(State(site): State<Arc<Site>>) -> Response {
    const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
    match site.metrics().await {
        Ok(text) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        Err(failure) => unavailable(&failure),
    }
}
