//! Both ends of a link over real HTTP on loopback, with connections that break, and each end alone against a clock.

mod carried;
mod ends;
mod harness;
