//! What sharing a child promises, shown on scripted children.
