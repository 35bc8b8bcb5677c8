//! What the HTTP servers answer, and the service of those that run hyper.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response};

/// The body of every answer.
pub const HELLO: &str = "Hello, World!";

/// The service, the same on every runtime.
pub async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = Full::new(Bytes::from_static(HELLO.as_bytes()));
    Ok(Response::builder().header(CONTENT_TYPE, "text/plain").body(body).expect("a valid answer"))
}
