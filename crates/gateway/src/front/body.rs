//! Reading a POST's body: whole, within a size and a time.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::time::timeout;

use super::refusal::Refusal;

/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// Reads it all; a body that arrives in one piece is not copied.
pub(super) async fn read<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::too_large(limit));
    }
    let whole = async {
        let mut body = pin!(body);
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|error| Refusal::body(&error.to_string()))?.into_data() else { continue };
            if first.len() + rest.len() + data.len() > limit {
                return Err(Refusal::too_large(limit));
            }
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                if rest.is_empty() {
                    rest.reserve(announced.max(first.len() + data.len()));
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
        Ok(if rest.is_empty() { first } else { rest.freeze() })
    };
    timeout(ARRIVAL, whole).await.unwrap_or_else(|_| Err(Refusal::body_timeout()))
}
