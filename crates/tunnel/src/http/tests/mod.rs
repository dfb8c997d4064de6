//! The conversation with a local server by URL, against a server made for it.
