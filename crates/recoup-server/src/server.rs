//! Runs the router alone on a listener: HTTP/1.1, a bound on connections, on the time that a head may take, and an end
//! that lets what is under way finish. TLS is a proxy's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use recoup::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::{App, router};

/// Bounds of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at one time; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may take to send the head of a request, and may stay without one.
    pub head: Duration,
    /// The largest head, in bytes.
    pub head_bytes: usize,
    /// How long what is under way at the end may take.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let (head, grace) = (Duration::from_secs(20), Duration::from_secs(20));
        Bounds { connections: 512, head, head_bytes: 64 << 10, grace }
    }
}

/// Answers on `listener` until `shutdown` resolves and what is under way then is done, or the time for that is up.
pub async fn serve(
    listener: TcpListener,
    app: App,
    bounds: Bounds,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<()> {
    let routes = router(app.clone());
    let free = Arc::new(Semaphore::new(bounds.connections));
    tokio::pin!(shutdown);
    loop {
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = free.clone().acquire_owned() => place.map_err(|_| Error::cancelled())?,
        };
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // No descriptor left, or the peer has gone: neither ends the daemon.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (routes, app) = (routes.clone(), app.clone());
        tokio::spawn(async move {
            connection(stream, peer, routes, bounds, &app).await;
            drop(place);
        });
    }
    drop(listener);
    app.close();
    let all = u32::try_from(bounds.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(bounds.grace, free.acquire_many(all)).await.is_err() {
        tracing::warn!("connections were still open at the end");
    }
    Ok(())
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router, bounds: Bounds, app: &App) {
    // Answers are small; waiting to fill a packet only makes them late.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_header_size(bounds.head_bytes)
        .max_buf_size(bounds.head_bytes.max(8 << 10) * 2)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = app.closing() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%peer, %error, "a connection ended");
    }
}
