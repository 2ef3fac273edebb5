//! yubin-state
