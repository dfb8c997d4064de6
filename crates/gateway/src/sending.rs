//! The bodies that a subject is sending: their bytes count from the moment they are in memory until their request is
//! answered, so that many large ones at once do not use up the machine.

use std::error::Error;
use std::fmt::{self, Display};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::denial::{Denial, Limit};

/// What one request has sent so far. Given back when this and its body are gone.
#[derive(Debug)]
pub(crate) struct Sending {
    /// Of all requests of the subject together, in bytes.
    all: Arc<AtomicUsize>,
    own: AtomicUsize,
    most: usize,
    is_too_much: AtomicBool,
}

/// A body whose bytes count.
#[derive(Debug)]
pub(crate) struct Counted<B> {
    body: B,
    sending: Arc<Sending>,
}

/// Why the body ends early.
#[derive(Debug)]
pub(crate) enum Broken<E> {
    /// For a reason of its own.
    Body(E),
    /// The subject sends too much at once.
    TooMuch,
}

impl Sending {
    /// Nothing yet; `all` is what the subject sends in all its requests, which may come to `most` bytes.
    pub(crate) fn new(all: Arc<AtomicUsize>, most: usize) -> Arc<Self> {
        Arc::new(Self { all, own: AtomicUsize::new(0), most, is_too_much: AtomicBool::new(false) })
    }

    /// `body`, counted.
    pub(crate) fn count<B>(self: &Arc<Self>, body: B) -> Counted<B> {
        Counted { body, sending: self.clone() }
    }

    /// Whether the body was ended for being too much.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn within(&self) -> Result<(), Denial> {
        match self.is_too_much.load(Ordering::Relaxed) {
            true => Err(Denial::Limit(Limit::Bodies(self.most))),
            false => Ok(()),
        }
    }

    /// So many bytes more. One body alone may always come: how large it may be is another limit.
    fn add(&self, bytes: usize) -> bool {
        let own = self.own.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.all.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let fits = all <= self.most || all <= own;
        if !fits {
            self.is_too_much.store(true, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.all.fetch_sub(*self.own.get_mut(), Ordering::Relaxed);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = Broken<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken<B::Error>>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            let frame = frame.map_err(Broken::Body)?;
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if self.sending.add(bytes) { Ok(frame) } else { Err(Broken::TooMuch) }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<E: Display> Display for Broken<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::TooMuch => f.write_str("too much is sent at once"),
        }
    }
}

impl<E: fmt::Debug + Display> Error for Broken<E> {}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    async fn send(all: &Arc<AtomicUsize>, most: usize, bytes: usize) -> (Arc<Sending>, bool) {
        let sending = Sending::new(all.clone(), most);
        let came = sending.count(Full::new(Bytes::from(vec![0; bytes]))).collect().await.is_ok();
        (sending, came)
    }

    #[tokio::test]
    async fn bodies_count_until_their_requests_are_answered_and_one_alone_always_comes() {
        let all = Arc::<AtomicUsize>::default();
        let (large, came) = send(&all, 10, 50).await;
        assert!(came && large.within().is_ok(), "alone it may be as large as any");
        let (more, came) = send(&all, 10, 1).await;
        assert!(!came);
        assert_eq!(more.within(), Err(Denial::Limit(Limit::Bodies(10))));
        drop((large, more));
        let ((one, first), (two, second)) = (send(&all, 10, 5).await, send(&all, 10, 5).await);
        assert!(first && second);
        assert!(!send(&all, 10, 1).await.1);
        drop((one, two));
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
