//! yubin-types
