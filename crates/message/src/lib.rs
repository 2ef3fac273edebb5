//! yubin-message
