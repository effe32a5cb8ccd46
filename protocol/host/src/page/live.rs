//! The live page: server-sent events with what has changed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;

use super::render;
use super::site::Site;
use crate::limits::{PAGE_FRESH, PAGE_IDLE};

pub(super) async fn events(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let first = (site, headers, String::new());
    let stream = unfold(first, |(site, headers, last)| async move {
        loop {
            let next = site.now() + PAGE_FRESH;
            site.env().sleep_until(next).await;
            let Ok(view) = site.view().await else {
                return None;
            };
            // Looking on is not using: an idle session ends although its page is open.
            let reader = site.reader(&headers, false);
            let names = site.names(&reader, false).await;
            let text = render::live(reader.see(), &view, &names).into_string();
            if text != last {
                let event = Event::default().data(text.clone());
                return Some((Ok::<_, Infallible>(event), (site, headers, text)));
            }
        }
    });
    let alive = KeepAlive::new().interval(PAGE_IDLE / 2);
    Sse::new(stream).keep_alive(alive).into_response()
}
