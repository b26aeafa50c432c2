//! (documentation follows)
