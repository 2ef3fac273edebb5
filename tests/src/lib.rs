//! yubin-tests
