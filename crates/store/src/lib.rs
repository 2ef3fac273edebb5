//! yubin-store
