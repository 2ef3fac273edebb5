//! yubin-admin
