//! yubin-session
