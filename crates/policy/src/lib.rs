//! yubin-policy
