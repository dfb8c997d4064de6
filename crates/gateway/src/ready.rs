//! Whether the gateway can be sent work, and what should be looked at soon. Codes only: anybody may ask.

use http::{Response, StatusCode};
use serde_json::json;

use crate::house::House;
use crate::reply::{self, Body};

/// A gateway that is stopping takes no new work.
const STOPPING: &str = "gateway.stopping";

/// The catalog is not on disk as it is: after a restart, servers would be missing until they come back.
const UNWRITTEN: &str = "catalog.unwritten";

/// No more connections fit.
const FULL: &str = "connections.full";

/// The certificate's files changed and cannot be used; the old one goes on.
const CERTIFICATE: &str = "certificate.unusable";

/// The answer to `/readyz`: 503 while it stops, else 200. What only needs somebody's eye is a warning: to take the one
/// gateway out of service for it would make it worse.
pub(crate) fn answer(house: &House) -> Response<Body> {
    if house.stop.is_cancelled() {
        return reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({"status": "not ready", "reasons": [STOPPING]}));
    }
    let troubles = [
        (!house.registry.is_written(), UNWRITTEN),
        (house.places.available_permits() == 0, FULL),
        (house.tls.as_ref().is_some_and(|tls| !tls.is_current()), CERTIFICATE),
    ];
    let warnings: Vec<_> = troubles.iter().filter(|(is_so, _)| *is_so).map(|(_, code)| *code).collect();
    reply::json(StatusCode::OK, &json!({"status": "ready", "warnings": warnings}))
}
